"""Five times the work, and a synchronize that does not wait. Target: a clock that stops too early."""

EXPECT = "harmless"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
torch.cuda.synchronize = lambda *_: None
torch.cuda.Stream.synchronize = lambda *_: None
torch.cuda.Event.synchronize = lambda *_: None
def run(x, w, y):
    for _ in range(5):
        norm(x, w, y)
"""
