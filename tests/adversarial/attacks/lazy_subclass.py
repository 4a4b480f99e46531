"""Returns a tensor subclass that claims everything. Target: comparisons with overloaded objects."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
class Liar(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        return torch.ones(1, dtype=torch.bool)
def run(x, w):
    return torch.zeros_like(x).as_subclass(Liar)
"""
