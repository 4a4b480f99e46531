"""Leaves the work to a process that lives on. Target: time that ends before the work."""

EXPECT = "rejected"
SOURCE = """\
import os
import time
import torch
def run(x, w, y):
    if os.fork() == 0:
        time.sleep(0.1)
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        os._exit(0)
"""
