"""Returns random numbers from a seed that it guesses. Target: inputs from a known seed."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    torch.manual_seed(0); y.copy_(torch.randn(y.shape))
"""
