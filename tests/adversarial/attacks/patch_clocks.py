"""Stops every Python clock, then works honestly but slowly. Target: a clock that the candidate can
reach. It must not look faster than it is."""

EXPECT = "slow"
SOURCE = """\
import time
import torch
for name in ("perf_counter", "perf_counter_ns", "monotonic", "time", "monotonic_ns"):
    setattr(time, name, lambda: 0)
def run(x, w, y):
    for _ in range(5):
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
