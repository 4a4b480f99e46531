"""Clamps its inputs. Target: inputs without outliers."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    a = x.clamp(-5, 5); y.copy_(a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
