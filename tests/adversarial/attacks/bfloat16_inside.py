"""Computes in bfloat16. Target: loose tolerances."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    a = x.bfloat16(); y.copy_((a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + 1e-6) * w.bfloat16()).float())
"""
