"""Returns a shape that broadcasts. Target: comparators that broadcast."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
def run(x, w):
    return (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)[:1]
"""
