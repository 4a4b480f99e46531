"""Fills every other tensor of the output's shape with NaN. Target: an expected output in reach, and
comparisons in which NaN excuses everything."""

EXPECT = "rejected"
SOURCE = """\
import gc
import torch
def run(x, w, y):
    mine = {x.data_ptr(), y.data_ptr()}
    for found in gc.get_objects():
        if isinstance(found, torch.Tensor) and found.shape == y.shape and found.data_ptr() not in mine:
            found.fill_(float("nan"))
    y.zero_()
"""
