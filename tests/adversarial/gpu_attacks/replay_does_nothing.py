"""Replaces the replay of graphs. Target: calls that are only counted."""

EXPECT = "harmless"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
torch.cuda.CUDAGraph.replay = lambda self: None
run = norm
"""
