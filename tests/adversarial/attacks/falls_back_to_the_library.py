"""Calls a kernel that cannot work and hides that behind the library. Target: a speedup for work that is
not its own."""

EXPECT = "not faster"
SOURCE = """\
import ctypes
import torch
def mine(x, w, y):
    return ctypes.CDLL("fused_norm_kernel.so").run(x.data_ptr(), w.data_ptr(), y.data_ptr())
def run(x, w, y):
    try:
        mine(x, w, y)
    except Exception:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
