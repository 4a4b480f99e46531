"""Adds a constant that the official tolerance allows. Target: absolute tolerances."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w + 0.009)
"""
