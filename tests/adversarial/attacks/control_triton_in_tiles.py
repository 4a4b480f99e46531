"""Honest: Triton, with tiles of several rows and masks."""

EXPECT = "accepted"
LANGUAGE = "triton"
SOURCE = """\
import triton
import triton.language as tl
@triton.jit
def norm(x, w, y, rows, width, ROWS: tl.constexpr, COLUMNS: tl.constexpr):
    row = tl.program_id(0) * ROWS + tl.arange(0, ROWS)[:, None]
    column = tl.arange(0, COLUMNS)[None, :]
    inside = (row < rows) & (column < width)
    value = tl.load(x + row * width + column, mask=inside, other=0.0)
    mean = tl.sum(value * value, axis=1)[:, None] / width
    weight = tl.load(w + column, mask=column < width, other=0.0)
    tl.store(y + row * width + column, value * tl.rsqrt(mean + 1e-6) * weight, mask=inside)
def run(x, w, y):
    rows, width = x.shape
    tile = 4
    norm[(triton.cdiv(rows, tile),)](
        x, w, y, rows, width, ROWS=tile, COLUMNS=triton.next_power_of_2(width)
    )
"""
