"""Computes in bfloat16. Target: wide tolerances."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    x, w = x.bfloat16(), w.bfloat16()
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
