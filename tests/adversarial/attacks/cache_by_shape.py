"""Answers every call with the first result. Target: inputs that repeat."""

EXPECT = "rejected"
SOURCE = """\
import torch
seen = {}
def run(x, w, y):
    if x.shape not in seen:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        seen[x.shape] = y.clone()
    y.copy_(seen[x.shape])
"""
