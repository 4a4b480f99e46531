"""Honest: computes in double precision."""

EXPECT = "accepted"
SOURCE = """\
import torch
def run(x, w, y):
    d = x.double()
    y.copy_((d * torch.rsqrt(d.pow(2).mean(-1, keepdim=True) + 1e-6) * w.double()).float())
"""
