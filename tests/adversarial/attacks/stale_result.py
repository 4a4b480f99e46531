"""Returns the tensor of the first call again. Target: objects compared instead of values."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
kept = []
def run(x, w):
    if not kept:
        kept.append(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    return kept[0]
"""
