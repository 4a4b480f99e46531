"""A Triton kernel that adds to sums which only the first call finds cleared. Target: checks of first calls."""

EXPECT = "rejected"
LANGUAGE = "triton"
SOURCE = """\
import torch
import triton
import triton.language as tl
@triton.jit
def norm(x, w, y, sums, width: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, width)
    value = tl.load(x + row * width + at)
    before = tl.atomic_add(sums + row, tl.sum(value * value))
    total = before + tl.sum(value * value)
    tl.store(y + row * width + at, value / tl.sqrt(total / width + 1e-6) * tl.load(w + at))
kept = []
def run(x, w, y):
    if not kept:
        kept.append(torch.zeros(x.shape[0], device=x.device))
    norm[(x.shape[0],)](x, w, y, kept[0], x.shape[1])
"""
