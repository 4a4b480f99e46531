"""Makes filling and zeroing do nothing. Target: poison and flushes in the same process."""

EXPECT = "rejected"
SOURCE = """\
import torch
torch.Tensor.fill_ = torch.Tensor.zero_ = lambda self, *_: self
kept = {}
def run(x, w, y):
    y.copy_(kept.setdefault("y", torch.zeros_like(y)))
"""
