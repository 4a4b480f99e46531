"""Recognises its arguments by their objects. Target: the same objects with new values."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y, *, kept={}):
    if id(x) not in kept:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        kept[id(x)] = y.clone()
    y.copy_(kept[id(x)])
"""
