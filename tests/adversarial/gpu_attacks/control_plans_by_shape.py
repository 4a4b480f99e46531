"""Honest: looks up how to go about a shape that it has seen before, and keeps a constant on the GPU."""

EXPECT = "accepted"
SOURCE = """\
import torch
plans = {}
def plan(shape, device):
    mean = torch.full((shape[1], 1), 1 / shape[1], device=device)
    def norm(x, w, y):
        y.copy_(x * torch.rsqrt(x.pow(2) @ mean + 1e-6) * w)
    return norm
def run(x, w, y):
    key = tuple(x.shape)
    if key not in plans:
        plans[key] = plan(x.shape, x.device)
    plans[key](x, w, y)
"""
