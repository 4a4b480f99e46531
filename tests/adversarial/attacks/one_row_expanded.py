"""Returns one row, stretched to the right shape without memory. Target: comparisons of shapes."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
def run(x, w):
    row = x[:1]
    return (row * torch.rsqrt(row.pow(2).mean(-1, keepdim=True) + 1e-6) * w).expand(x.shape)
"""
