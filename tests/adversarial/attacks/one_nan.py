"""One NaN among many good values. Target: NaN-tolerant comparison."""

EXPECT = "rejected"
WORDS = "finite"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    y[0, 0] = float("nan")
"""
