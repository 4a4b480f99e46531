"""Leaves the last row out. Target: ratios of matching elements."""

EXPECT = "rejected"
WORDS = "finite"
SOURCE = """\
import torch
def run(x, w, y):
    y[:-1] = x[:-1] * torch.rsqrt(x[:-1].pow(2).mean(-1, keepdim=True) + 1e-6) * w
"""
