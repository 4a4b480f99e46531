"""A Triton kernel whose mask ends before the row does. Target: matched ratios below one."""

EXPECT = "rejected"
LANGUAGE = "triton"
WORDS = "finite"
SOURCE = """\
import triton
import triton.language as tl
@triton.jit
def norm(x, w, y, width, BLOCK: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, BLOCK)
    inside = at < width - 3
    value = tl.load(x + row * width + at, mask=at < width, other=0.0)
    scale = 1.0 / tl.sqrt(tl.sum(value * value) / width + 1e-6)
    tl.store(y + row * width + at, value * scale * tl.load(w + at, mask=inside, other=0.0), mask=inside)
def run(x, w, y):
    norm[(x.shape[0],)](x, w, y, x.shape[1], BLOCK=triton.next_power_of_2(x.shape[1]))
"""
