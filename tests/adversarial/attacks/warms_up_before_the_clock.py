"""The baseline's own work, and the same on numbers of its own in the moment between being continued and the
first call, so that only the baseline starts cold. Target: what is not timed."""

EXPECT = "not faster"
SOURCE = """\
import signal
import time
import torch

x, w, y = torch.randn(64, 512), torch.randn(512), torch.empty(64, 512)


def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)


def warm_up(*_):
    until = time.monotonic() + 0.003
    while time.monotonic() < until:
        norm(x, w, y)


signal.signal(signal.SIGCONT, warm_up)
run = norm
"""
