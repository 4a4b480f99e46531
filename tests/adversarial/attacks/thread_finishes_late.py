"""A thread does the work after the call returned. Target: when the clock stops."""

EXPECT = "rejected"
SOURCE = """\
import threading
import time
import torch
def run(x, w, y):
    def later():
        time.sleep(0.005)
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    threading.Thread(target=later).start()
"""
