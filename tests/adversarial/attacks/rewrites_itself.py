"""Replaces its own file once it was loaded. Target: a source that is read again, or stored, after the
check."""

EXPECT = "harmless"
SOURCE = """\
import pathlib
import sys
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
for path in {__file__, *pathlib.Path("/sandbox/in").rglob("*.py")}:
    try:
        pathlib.Path(path).write_text("def run(x, w, y):\\n    y.zero_()\\n")
    except OSError:
        pass
"""
