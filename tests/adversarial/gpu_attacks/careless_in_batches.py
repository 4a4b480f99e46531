"""Handles outliers where it is called once, and saturates them in a batch. Target: scaled inputs and outliers
that come only in the phase that looks different."""

EXPECT = "rejected"
WORDS = "timed call"
SOURCE = """\
import sys
import torch
def run(x, w, y):
    frame = sys._getframe(1)
    while "steps" not in frame.f_locals:
        frame = frame.f_back
    a = x if len(frame.f_locals["steps"][0]) == 1 else x.clamp(-6, 6)
    y.copy_(a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
