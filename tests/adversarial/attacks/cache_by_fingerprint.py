"""Recognises inputs by one element. Target: few distinct inputs (the cost of a miss is honest
work)."""

EXPECT = "rejected"
SOURCE = """\
import torch
seen = {}
def run(x, w, y):
    key = round(float(x[0, 0]), 1)
    if key in seen:
        y.copy_(seen[key])
    else:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        seen[key] = y.clone()
"""
