"""Takes all memory of the GPU. Target: the judge's own allocations."""

EXPECT = "rejected"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
kept = []
def run(x, w, y):
    while True:
        kept.append(torch.empty(1 << 32, dtype=torch.uint8, device=x.device))
"""
