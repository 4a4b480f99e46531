"""A thread from import time takes the work from a queue. Target: thread counts and the end of a call."""

EXPECT = "harmless"
SOURCE = """\
import queue
import threading
import torch
jobs = queue.SimpleQueue()
def work():
    while True:
        x, w, y = jobs.get()
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
threading.Thread(target=work, daemon=True).start()
def run(x, w, y):
    jobs.put((x, w, y))
"""
