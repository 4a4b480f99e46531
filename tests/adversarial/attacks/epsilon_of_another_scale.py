"""Uses a much larger epsilon. Target: inputs of one scale only."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-3) * w)
"""
