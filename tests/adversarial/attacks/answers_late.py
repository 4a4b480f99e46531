"""The baseline's own work. When the last call of a batch is done, it waits, and answers in time, each time. Target: a
limit for each exchange instead of one for the run, until the judge itself is given up."""

EXPECT = "rejected"
TIMEOUT_S = 5
SOURCE = """\
import sys
import time
import torch


def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    frame = sys._getframe(1)
    while "turns" not in frame.f_locals:
        frame = frame.f_back
    here = frame.f_locals
    if here["number"] == len(here["calls"]) > 1:
        here["turns"][1] = here["number"]
        time.sleep(3)
"""
