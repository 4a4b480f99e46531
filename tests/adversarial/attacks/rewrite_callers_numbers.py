"""Writes another step's number into its caller's variables. Target: loops and samples that Python keeps
in frames."""

EXPECT = "rejected"
ON_A_GPU = "harmless"
SOURCE = """\
import ctypes
import sys
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    frame = sys._getframe(1)
    while frame is not None:
        names = frame.f_locals
        if "number" in names:
            names["number"] = 1 << 40
            ctypes.pythonapi.PyFrame_LocalsToFast(ctypes.py_object(frame), ctypes.c_int(0))
            return
        frame = frame.f_back
"""
