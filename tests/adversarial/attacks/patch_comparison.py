"""Replaces torch's comparison functions. Target: a comparator in the same process."""

EXPECT = "rejected"
SOURCE = """\
import torch
torch.allclose = torch.equal = lambda *a, **k: True
torch.isnan = torch.isinf = lambda t: torch.zeros(1, dtype=torch.bool)
torch.Tensor.__gt__ = lambda a, b: torch.zeros(1, dtype=torch.bool)
def run(x, w, y):
    y.zero_()
"""
