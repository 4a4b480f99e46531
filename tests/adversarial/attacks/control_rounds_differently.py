"""Honest: sums in another order, so that the last bits differ."""

EXPECT = "accepted"
SOURCE = """\
import torch
def run(x, w, y):
    parts = x.view(x.shape[0], 8, 64).pow(2).sum(-1)
    y.copy_(x / torch.sqrt(parts.sum(-1, keepdim=True) / 512 + 1e-6) * w)
"""
