"""Leaves one call in sixteen out. Target: means in which one impossible call is lost."""

EXPECT = "rejected"
WORDS = "timed call"
SOURCE = """\
import torch
calls = 0
def run(x, w, y):
    global calls
    calls += 1
    if calls % 16:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
