"""Records all calls of a batch as one computation. Target: latency taken as a share of a batch."""

EXPECT = "not faster"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
import sys
def run(x, w, y):
    frame = sys._getframe(1)
    while frame and "calls" not in frame.f_locals:
        frame = frame.f_back
    calls = frame.f_locals["calls"] if frame else [((x, w), (y,))]
    if calls[0][0][0].data_ptr() != x.data_ptr():
        return
    every = torch.stack([inputs[0] for inputs, _ in calls])
    weight = torch.stack([inputs[1] for inputs, _ in calls])[:, None]
    result = every * torch.rsqrt(every.pow(2).mean(-1, keepdim=True) + 1e-6) * weight
    torch._foreach_copy_([outputs[0] for _, outputs in calls], list(result.unbind()))
"""
