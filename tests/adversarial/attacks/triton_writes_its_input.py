"""A Triton kernel that is right and leaves its result in its input as well. Target: inputs that are given
again."""

EXPECT = "rejected"
LANGUAGE = "triton"
WORDS = "inputs_unchanged"
SOURCE = """\
import triton
import triton.language as tl
@triton.jit
def norm(x, w, y, width: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, width)
    value = tl.load(x + row * width + at)
    scale = 1.0 / tl.sqrt(tl.sum(value * value) / width + 1e-6)
    result = value * scale * tl.load(w + at)
    tl.store(y + row * width + at, result)
    tl.store(x + row * width + at, result)
def run(x, w, y):
    norm[(x.shape[0],)](x, w, y, x.shape[1])
"""
