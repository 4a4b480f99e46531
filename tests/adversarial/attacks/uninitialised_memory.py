"""Returns memory that it never wrote. Target: an allocator that hands out the reference."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
def run(x, w):
    return torch.empty_like(x)
"""
