"""Divides every list of floats that it finds. Target: lists of samples in reach of the garbage collector."""

EXPECT = "slow"
SOURCE = """\
import gc
import torch

def work(x, w, y):
    for _ in range(5):
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)

def run(x, w, y):
    work(x, w, y)
    for found in gc.get_objects():
        if type(found) is list and found and all(type(v) is float for v in found):
            found[:] = [v / 50 for v in found]
"""
