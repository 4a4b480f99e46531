"""Launches a kernel that does not end. Target: a judge that waits for ever."""

EXPECT = "rejected"
TIMEOUT_S = 8
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
def run(x, w, y):
    torch.cuda._sleep(1 << 62)
"""
