"""Looks for the expected output among live objects. Target: a reference in the same process."""

EXPECT = "rejected"
SOURCE = """\
import gc
import torch
def run(x, w, y):
    for thing in gc.get_objects():
        if isinstance(thing, torch.Tensor) and thing.shape == y.shape:
            if thing.data_ptr() not in (x.data_ptr(), y.data_ptr()):
                y.copy_(thing)
                return
"""
