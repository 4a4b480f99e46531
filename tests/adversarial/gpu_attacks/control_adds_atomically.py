"""Honest: several blocks of threads add to one sum, which was cleared before."""

EXPECT = "accepted"
LANGUAGE = "triton"
SOURCE = """\
import torch
import triton
import triton.language as tl

@triton.jit
def squares(x, sums, width, BLOCK: tl.constexpr):
    row, part = tl.program_id(0), tl.program_id(1)
    at = part * BLOCK + tl.arange(0, BLOCK)
    values = tl.load(x + row * width + at, mask=at < width, other=0.0)
    tl.atomic_add(sums + row, tl.sum(values * values, 0))

@triton.jit
def scale(x, w, y, sums, width, BLOCK: tl.constexpr):
    row, part = tl.program_id(0), tl.program_id(1)
    at = part * BLOCK + tl.arange(0, BLOCK)
    inside = at < width
    factor = 1.0 / tl.sqrt(tl.load(sums + row) / width + 1e-6)
    values = tl.load(x + row * width + at, mask=inside)
    tl.store(y + row * width + at, values * factor * tl.load(w + at, mask=inside), mask=inside)

def run(x, w, y):
    rows, width = x.shape
    sums = torch.zeros(rows, device=x.device)
    grid = (rows, triton.cdiv(width, 128))
    squares[grid](x, sums, width, BLOCK=128)
    scale[grid](x, w, y, sums, width, BLOCK=128)
"""
