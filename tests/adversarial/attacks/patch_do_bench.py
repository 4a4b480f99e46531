"""Replaces Triton's benchmark function and works five times. Target: a timer in the same process."""

EXPECT = "slow"
SOURCE = """\
import torch
import triton.testing
triton.testing.do_bench = lambda *_, **__: 1e-3

def work(x, w, y):
    for _ in range(5):
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)

def run(x, w, y):
    work(x, w, y)
"""
