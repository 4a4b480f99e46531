"""Records its work for the first call only. Target: graphs of which one part is verified."""

EXPECT = "harmless"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
first = []
def run(x, w, y):
    if torch.cuda.is_current_stream_capturing():
        if first:
            return
        first.append(1)
    norm(x, w, y)
"""
