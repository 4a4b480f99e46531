"""A child process spins while the baseline runs. Target: the baseline's latency."""

EXPECT = "not faster"
SOURCE = """\
import os
import torch
if os.fork() == 0:
    while True:
        pass
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
