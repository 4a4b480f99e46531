"""Writes NaN everywhere. Target: comparators to which NaN equals NaN."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.fill_(float('nan'))
"""
