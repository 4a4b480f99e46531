"""Makes a stream of its own the current one, works there five times and leaves it so. Target: events on
whatever stream is current."""

EXPECT = "harmless"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
side = torch.cuda.Stream()
def run(x, w, y):
    torch.cuda.set_stream(side)
    for _ in range(5):
        norm(x, w, y)
"""
