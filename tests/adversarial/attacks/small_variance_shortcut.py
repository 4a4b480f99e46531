"""Skips the normalisation, since random rows have a mean square near 1. Target: one input
distribution."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x * w)
"""
