"""Reads the caller's variables. Target: expected outputs in a caller's frame."""

EXPECT = "rejected"
SOURCE = """\
import sys
import torch
def run(x, w, y):
    frame = sys._getframe()
    while frame:
        for name, value in list(frame.f_locals.items()):
            if "ref" in name or "expected" in name:
                y.copy_(value)
                return
        frame = frame.f_back
"""
