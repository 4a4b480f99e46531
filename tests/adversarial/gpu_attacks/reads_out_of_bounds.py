"""Reads where nothing is. Target: a judge in the same context."""

EXPECT = "rejected"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
def run(x, w, y):
    torch.as_strided(x, (1 << 20,), (1 << 20,)).sum().item()
    norm(x, w, y)
"""
