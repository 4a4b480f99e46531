"""Does the work on a stream that nobody waits for. Target: events on the current stream."""

EXPECT = "harmless"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
side = torch.cuda.Stream()
def run(x, w, y):
    with torch.cuda.stream(side):
        for _ in range(5):
            norm(x, w, y)
"""
