"""Returns an empty plain tensor whose own attributes compute when they are read. Target: checks of the
type, and reads through methods."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
def run(x, w):
    value = torch.empty_like(x)
    def late(*_, **__):
        return value.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    for name in ("float", "clone", "cpu", "numpy", "detach", "to", "contiguous", "flatten"):
        setattr(value, name, late)
    return value
"""
