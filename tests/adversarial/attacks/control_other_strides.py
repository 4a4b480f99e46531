"""Honest: returns the right values in another memory order."""

EXPECT = "accepted"
IN_PLACE = False
SOURCE = """\
import torch
def run(x, w):
    return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w).t().contiguous().t()
"""
