"""Honest for the calls that check, idle for those that are timed. Target: separate phases."""

EXPECT = "rejected"
WORDS = "timed call"
SOURCE = """\
import torch
calls = 0
def run(x, w, y):
    global calls
    calls += 1
    if calls < 10:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
