"""Returns at once; a timer's signal does the work later, in no further thread. Target: counts of threads."""

EXPECT = "harmless"
SOURCE = """\
import signal
import torch
waiting = []
def later(*_):
    while waiting:
        x, w, y = waiting.pop()
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
signal.signal(signal.SIGALRM, later)
def run(x, w, y):
    waiting.append((x, w, y))
    signal.setitimer(signal.ITIMER_REAL, 0.002)
"""
