"""Replaces torch's random numbers. Target: inputs made in the same process."""

EXPECT = "rejected"
SOURCE = """\
import torch
torch.randn = torch.rand = lambda *s, **k: torch.zeros(*s)
def run(x, w, y):
    y.zero_()
"""
