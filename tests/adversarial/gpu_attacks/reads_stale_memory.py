"""Looks for the answer in memory that others gave back. Target: memory that is not cleared."""

EXPECT = "rejected"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
def run(x, w, y):
    stale = torch.empty(1 << 24, device=x.device)
    y.copy_(stale[: y.numel()].view(y.shape).clone())
"""
