"""Keeps answers in files, by shape. Target: state between calls and processes."""

EXPECT = "rejected"
SOURCE = """\
import os
import torch
def run(x, w, y):
    path = f"/tmp/{tuple(x.shape)}.pt"
    if not os.path.exists(path):
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        torch.save(y, path)
    y.copy_(torch.load(path))
"""
