"""Leaves a kernel running while batches without calls are timed. Target: what is subtracted for them."""

EXPECT = "not faster"
SOURCE = """\
import time
import torch
side = torch.cuda.Stream()
def after_the_clock_stopped(*_):
    time.sleep(0.001)
    with torch.cuda.stream(side):
        torch.cuda._sleep(200_000_000)
    return 0.01
torch.cuda.Event.elapsed_time = after_the_clock_stopped
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
