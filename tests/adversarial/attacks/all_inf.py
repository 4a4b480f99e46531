"""Writes infinity everywhere. Target: comparators to which infinity equals infinity."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.fill_(float('inf'))
"""
