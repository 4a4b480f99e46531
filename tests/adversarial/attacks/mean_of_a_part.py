"""Takes the mean over 99 of 100 columns. Target: the law of large numbers within the tolerance."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x[:, :507].pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
