"""Says that every call is done, to see all inputs at once. Target: the lockstep of calls."""

EXPECT = "rejected"
SOURCE = """\
import sys
import time
import torch
def run(x, w, y):
    frame = sys._getframe(1)
    while "turns" not in frame.f_locals:
        frame = frame.f_back
    turns, calls = frame.f_locals["turns"], frame.f_locals["calls"]
    turns[1] = len(calls)
    time.sleep(0.01)
    for inputs, outputs in calls:
        x, w = inputs
        outputs[0].copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
