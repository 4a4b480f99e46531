"""Gives the runner's own functions other code. Target: statistics and protocol in the same process."""

EXPECT = "harmless"
SOURCE = """\
import sys
import torch
main = sys.modules["sandbox.runner.main"]
main._store.__code__ = (lambda torch, returned, outputs: None).__code__

def work(x, w, y):
    for _ in range(5):
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)

def run(x, w, y):
    work(x, w, y)
"""
