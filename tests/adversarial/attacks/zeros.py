"""Returns zeros. Target: absolute tolerances."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.zero_()
"""
