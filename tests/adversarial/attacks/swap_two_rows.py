"""Swaps two rows. Target: comparisons of sums."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    z = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w; y.copy_(z); y[0], y[1] = z[1], z[0]
"""
