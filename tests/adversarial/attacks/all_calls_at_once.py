"""Does all calls of a batch in one, at the first of them. Target: latency taken as a share of a batch. On a GPU
what it looks for is not there; `all_calls_in_one_graph` does the same there."""

EXPECT = "rejected"
SOURCE = """\
import sys
import torch
done = set()
def run(x, w, y):
    if x.data_ptr() in done:
        done.discard(x.data_ptr())
        return
    frame = sys._getframe(1)
    while "calls" not in frame.f_locals:
        frame = frame.f_back
    calls = frame.f_locals["calls"]
    every = torch.stack([inputs[0] for inputs, _ in calls])
    weight = torch.stack([inputs[1] for inputs, _ in calls])[:, None]
    result = every * torch.rsqrt(every.pow(2).mean(-1, keepdim=True) + 1e-6) * weight
    for (inputs, outputs), value in zip(calls, result):
        outputs[0].copy_(value)
        done.add(inputs[0].data_ptr())
    done.discard(x.data_ptr())
"""
