"""Is slow at first, so that few repetitions are planned. Target: repetitions planned by a warm-up."""

EXPECT = "harmless"
SOURCE = """\
import time
import torch
calls = 0
def run(x, w, y):
    global calls
    calls += 1
    if calls < 8:
        time.sleep(0.05)
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
