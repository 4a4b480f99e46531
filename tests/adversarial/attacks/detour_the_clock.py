"""Overwrites the C library's clock in its own process. Target: clocks behind Python."""

EXPECT = "harmless"
SOURCE = """\
import ctypes
import mmap
import torch
libc = ctypes.CDLL(None)
address = ctypes.cast(libc.clock_gettime, ctypes.c_void_p).value
page = address & ~(mmap.PAGESIZE - 1)
if libc.mprotect(ctypes.c_void_p(page), mmap.PAGESIZE * 2, 7) == 0:
    ctypes.memmove(address, b"\\x31\\xc0\\xc3", 3)

def work(x, w, y):
    for _ in range(5):
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)

def run(x, w, y):
    work(x, w, y)
"""
