"""Looks at the beginning of its input, and approximates if that looks harmless. Target: inputs whose tail
is like their head."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    if float(x.flatten()[:64].abs().max()) < 6:
        y.copy_(x * torch.rsqrt(x[:, ::2].pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    else:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
