"""Honest: takes scratch memory for partial sums anew in each call."""

EXPECT = "accepted"
SOURCE = """\
import torch
def run(x, w, y):
    parts = torch.empty(x.shape[0], 4, device=x.device)
    torch.sum(x.pow(2).view(x.shape[0], 4, -1), dim=-1, out=parts)
    scale = torch.rsqrt(parts.sum(-1, keepdim=True) / x.shape[1] + 1e-6)
    torch.mul(x * scale, w, out=y)
"""
