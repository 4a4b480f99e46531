"""Two threads that work in turn on one processor, so that one always waits for it: five times the work, and
most of the time the kernel books it as kept from working. Target: figures that leave out what others took.
"""

EXPECT = "slow"
SOURCE = """\
import threading
import torch

def once(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)

def spin():
    while True:
        once(torch.ones(8, 512), torch.ones(512), torch.empty(8, 512))

for _ in range(3):
    threading.Thread(target=spin, daemon=True).start()

def run(x, w, y):
    for _ in range(5):
        once(x, w, y)
"""
