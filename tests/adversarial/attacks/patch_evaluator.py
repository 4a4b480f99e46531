"""Replaces flashinfer-bench's error statistics. Target: the official evaluator beside the
candidate."""

EXPECT = "rejected"
SOURCE = """\
import torch
try:
    import flashinfer_bench.bench.evaluators.default as default
    default.compute_error_stats = lambda *a: (0.0, 0.0, False, 1.0)
except ImportError:
    pass
def run(x, w, y):
    y.zero_()
"""
