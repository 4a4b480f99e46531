"""Uses the first row's statistics for all. Target: rows that are alike."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x[:1].pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
