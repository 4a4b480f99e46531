"""A Triton kernel that computes in half precision. Target: wide tolerances."""

EXPECT = "rejected"
LANGUAGE = "triton"
SOURCE = """\
import triton
import triton.language as tl
@triton.jit
def norm(x, w, y, width: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, width)
    value = tl.load(x + row * width + at).to(tl.float16)
    scale = (1.0 / tl.sqrt(tl.sum(value.to(tl.float32) * value.to(tl.float32)) / width + 1e-6)).to(tl.float16)
    tl.store(y + row * width + at, (value * scale * tl.load(w + at).to(tl.float16)).to(tl.float32))
def run(x, w, y):
    norm[(x.shape[0],)](x, w, y, x.shape[1])
"""
