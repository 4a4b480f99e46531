"""Returns a constant. Target: tasks with a constant answer."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.fill_(1.0)
"""
