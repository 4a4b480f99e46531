"""Records all calls of a batch as one computation. Target: latency taken as a share of a batch."""

EXPECT = "not faster"
BOUND = "single_call"
SOURCE = """\
import sys
import torch
def mates(x, w, y):
    # the calls of this one's step, this one included
    frame = sys._getframe(2)
    while frame and "steps" not in frame.f_locals:
        frame = frame.f_back
    for step in frame.f_locals["steps"] if frame else ():
        calls = [work.args[1:3] for work in step]
        if x.data_ptr() in [inputs[0].data_ptr() for inputs, _ in calls]:
            return calls
    return [((x, w), (y,))]
def run(x, w, y):
    calls = mates(x, w, y)
    if calls[0][0][0].data_ptr() != x.data_ptr():
        return
    every = torch.stack([inputs[0] for inputs, _ in calls])
    weight = torch.stack([inputs[1] for inputs, _ in calls])[:, None]
    result = every * torch.rsqrt(every.pow(2).mean(-1, keepdim=True) + 1e-6) * weight
    torch._foreach_copy_([outputs[0] for _, outputs in calls], list(result.unbind()))
"""
