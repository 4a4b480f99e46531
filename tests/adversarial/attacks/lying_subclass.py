"""Returns a tensor that says yes to every comparison. Target: operators of the returned object."""

EXPECT = "rejected"
IN_PLACE = False
SOURCE = """\
import torch
class Yes(torch.Tensor):
    @classmethod
    def __torch_function__(cls, func, types, args=(), kwargs=None):
        if func.__name__ in ("allclose", "equal", "isfinite"):
            return True
        return super().__torch_function__(func, types, args, kwargs or {})
def run(x, w):
    return torch.zeros_like(x).as_subclass(Yes)
"""
