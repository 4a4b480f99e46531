"""Leaves the last columns alone. Target: matched ratios below one."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y[:, :-4] = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)[:, :-4]
"""
