"""Is honest when called once, and not in a batch. Target: phases that look different."""

EXPECT = "rejected"
SOURCE = """\
import sys
import torch
def run(x, w, y):
    frame = sys._getframe(1)
    while "calls" not in frame.f_locals:
        frame = frame.f_back
    if len(frame.f_locals["calls"]) == 1:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    else:
        y.zero_()
"""
