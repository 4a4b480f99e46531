"""Honest: functional style, returning its output in a tuple."""

EXPECT = "accepted"
IN_PLACE = False
SOURCE = """\
from torch.nn import functional
def run(x, w):
    return (functional.rms_norm(x, w.shape, w, 1e-6),)
"""
