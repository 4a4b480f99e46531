"""One element is off by far. Target: matched ratios."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    y[0, 0] += 5
"""
