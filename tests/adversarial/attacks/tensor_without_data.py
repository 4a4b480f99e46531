"""Returns a tensor that has a shape and no values. Target: checks of shape and type alone."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
def run(x, w):
    return torch.empty(x.shape, dtype=x.dtype, device="meta")
"""
