"""The baseline's own work, plus processes that spin whenever the solution has not been called for a
while, on the core that the baseline uses. Target: a ratio whose denominator the candidate can make
larger."""

EXPECT = "not faster"
SOURCE = """\
import mmap
import os
import struct
import time
import torch

shared = mmap.mmap(-1, 4096)
for _ in range(4):
    if os.fork() == 0:
        while True:
            called = struct.unpack_from("d", shared)[0]
            if time.monotonic() - called < 0.002:
                time.sleep(0.001)


def run(x, w, y):
    struct.pack_into("d", shared, 0, time.monotonic())
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
