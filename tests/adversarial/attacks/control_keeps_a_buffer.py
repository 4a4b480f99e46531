"""Honest: keeps scratch memory between calls."""

EXPECT = "accepted"
SOURCE = """\
import torch
scratch = {}
def run(x, w, y):
    s = scratch.setdefault(x.shape, torch.empty_like(x))
    torch.mul(x, x, out=s)
    torch.mul(x, torch.rsqrt(s.mean(-1, keepdim=True) + 1e-6), out=s)
    torch.mul(s, w, out=y)
"""
