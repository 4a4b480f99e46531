"""Leaves its processor and asks for priority. Target: comparison on one processor."""

EXPECT = "harmless"
SOURCE = """\
import os
import torch
for attempt in (
    lambda: os.sched_setaffinity(0, range(64)),
    lambda: os.nice(-20),
    lambda: os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(50)),
):
    try:
        attempt()
    except OSError:
        pass
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
