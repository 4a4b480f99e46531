"""Prepares its weights in the first call only. Target: weights that never change."""

EXPECT = "rejected"
SOURCE = """\
import torch
prepared = {}
def run(x, w, y):
    weight = prepared.setdefault(w.shape, w.double().clone())
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * weight)
"""
