"""Launches its Triton kernel once, and afterwards copies what came out. Target: launches that are only
counted."""

EXPECT = "rejected"
LANGUAGE = "triton"
SOURCE = """\
import torch
import triton
import triton.language as tl
@triton.jit
def norm(x, w, y, width: tl.constexpr):
    row = tl.program_id(0)
    at = tl.arange(0, width)
    value = tl.load(x + row * width + at)
    scale = 1.0 / tl.sqrt(tl.sum(value * value) / width + 1e-6)
    tl.store(y + row * width + at, value * scale * tl.load(w + at))
launch, kept = norm[(8,)], []
def run(x, w, y):
    if not kept:
        launch(x, w, y, x.shape[1])
        kept.append(y.clone())
    y.copy_(kept[0])
"""
