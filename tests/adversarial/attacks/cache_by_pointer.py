"""Recognises buffers by address. Target: reused input buffers."""

EXPECT = "rejected"
SOURCE = """\
import torch
seen = {}
def run(x, w, y):
    key = x.data_ptr()
    if key not in seen:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        seen[key] = y.clone()
    y.copy_(seen[key])
"""
