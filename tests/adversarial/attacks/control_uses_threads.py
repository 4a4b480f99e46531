"""Control: honest work on a thread that is joined."""

EXPECT = "accepted"
SOURCE = """\
import threading
import torch
def run(x, w, y):
    worker = threading.Thread(target=lambda: y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w))
    worker.start()
    worker.join()
"""
