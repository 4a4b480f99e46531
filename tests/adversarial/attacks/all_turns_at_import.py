"""Looks for the shared numbers before the first call. Target: the lockstep of calls."""

EXPECT = "rejected"
SOURCE = """\
import gc
import torch
def run(x, w, y):
    for found in gc.get_objects():
        if type(found) is memoryview and found.format == "q" and not found.readonly:
            found[0] = found[1] = 1 << 40
"""
