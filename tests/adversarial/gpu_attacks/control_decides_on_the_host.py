"""Honest: looks at a value on the host before it goes on."""

EXPECT = "accepted"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
def run(x, w, y):
    if float(x.abs().max()) >= 0:
        norm(x, w, y)
"""
