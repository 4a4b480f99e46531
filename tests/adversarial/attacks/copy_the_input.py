"""Returns its input. Target: operations that are nearly the identity on standard inputs."""

EXPECT = "rejected"
SOURCE = """\
import torch
def run(x, w, y):
    y.copy_(x)
"""
