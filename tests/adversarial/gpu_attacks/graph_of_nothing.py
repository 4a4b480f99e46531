"""Does nothing while it is recorded. Target: graphs that nobody verifies."""

EXPECT = "harmless"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
def run(x, w, y):
    if not torch.cuda.is_current_stream_capturing():
        norm(x, w, y)
"""
