"""Honest: Triton."""

EXPECT = "accepted"
LANGUAGE = "triton"
SOURCE = """\
import triton
import triton.language as tl
@triton.jit
def norm(x, w, y, width: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, width)
    value = tl.load(x + row * width + at)
    scale = 1.0 / tl.sqrt(tl.sum(value * value) / width + 1e-6)
    tl.store(y + row * width + at, value * scale * tl.load(w + at))
def run(x, w, y):
    norm[(x.shape[0],)](x, w, y, x.shape[1])
"""
