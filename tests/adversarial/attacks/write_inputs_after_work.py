"""Correct, but destroys its inputs."""

EXPECT = "rejected"
WORDS = "inputs_unchanged"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    x.zero_()
"""
