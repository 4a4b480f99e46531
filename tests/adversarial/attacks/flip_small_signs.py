"""Flips the signs of small elements. Target: absolute tolerances."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    z = x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w; y.copy_(torch.where(z.abs() < 5e-3, -z, z))
"""
