"""Each call finishes the one before. Target: outputs looked at later."""

EXPECT = "rejected"
SOURCE = """\
import torch
before = []
def run(x, w, y):
    if before:
        a, b, c = before.pop()
        c.copy_(a * torch.rsqrt(a.pow(2).mean(-1, keepdim=True) + 1e-6) * b)
    before.append((x, w, y))
"""
