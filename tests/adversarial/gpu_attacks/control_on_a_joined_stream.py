"""Honest: work on a side stream that is joined."""

EXPECT = "accepted"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
side = torch.cuda.Stream()
def run(x, w, y):
    side.wait_stream(torch.cuda.current_stream())
    with torch.cuda.stream(side):
        norm(x, w, y)
    torch.cuda.current_stream().wait_stream(side)
"""
