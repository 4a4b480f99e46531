"""Returns at once and lets a thread do the work afterwards. Target: outputs read late."""

EXPECT = "rejected"
SOURCE = """\
import threading
import time
import torch
def run(x, w, y):
    def later():
        time.sleep(0.2)
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    threading.Thread(target=later).start()
"""
