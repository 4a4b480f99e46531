"""Fills every place that it may write to. Target: the host's disk."""

EXPECT = "accepted"
SOURCE = """\
import torch
for path in ("/tmp/fill", "/dev/shm/fill", "/sandbox/in/fill"):
    try:
        with open(path, "wb") as file:
            for _ in range(2048):
                file.write(bytes(1 << 20))
    except OSError:
        pass
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
