"""Honest: some hundred small kernels a call, more than a driver's queue holds of a batch."""

EXPECT = "accepted"
SOURCE = """\
import torch
def run(x, w, y):
    sums = torch.zeros(x.shape[0], 1, device=x.device)
    for first in range(0, x.shape[1], 8):
        sums += x[:, first : first + 8].pow(2).sum(-1, keepdim=True)
    y.copy_(x * torch.rsqrt(sums / x.shape[1] + 1e-6) * w)
"""
