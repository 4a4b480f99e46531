"""Honest: waits for the GPU in each call, so that no graph can be recorded."""

EXPECT = "accepted"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
def run(x, w, y):
    norm(x, w, y)
    torch.cuda.current_stream().synchronize()
"""
