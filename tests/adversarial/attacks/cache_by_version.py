"""Recognises tensors by object and version. Target: the same objects with new values."""

EXPECT = "harmless"
SOURCE = """\
import torch
def run(x, w, y, kept={}):
    key = (x.data_ptr(), x._version)
    if key not in kept:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        kept[key] = y.clone()
    y.copy_(kept[key])
"""
