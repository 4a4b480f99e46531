"""Honest: a class that plans once for each shape, with buffers and constants of its own."""

EXPECT = "accepted"
SOURCE = """\
import torch
class Plan:
    def __init__(self, x):
        rows, width = x.shape
        self.squares = torch.empty_like(x)
        self.scale = torch.empty(rows, 1, dtype=x.dtype, device=x.device)
        self.ones = torch.full((width, 1), 1 / width, dtype=x.dtype, device=x.device)
    def __call__(self, x, w, y):
        torch.mul(x, x, out=self.squares)
        torch.mm(self.squares, self.ones, out=self.scale)
        self.scale.add_(1e-6).rsqrt_()
        torch.mul(x, self.scale, out=y)
        y.mul_(w)
plans = {}
def run(x, w, y):
    key = (tuple(x.shape), x.dtype, x.device)
    plan = plans.get(key)
    if plan is None:
        plan = plans[key] = Plan(x)
    plan(x, w, y)
"""
