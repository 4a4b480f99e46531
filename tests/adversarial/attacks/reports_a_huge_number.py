"""Once it is in the timed calls, its answer holds a number too large for a float. Target: a judge that
computes with what a runner says, and ends."""

EXPECT = "harmless"
SOURCE = """\
import sys
import torch

runner = sys.modules["sandbox.runner.main"]
send, seen = runner._send, 0


def _send(channel, message):
    global seen
    seen += 1
    send(channel, message | {"device_us": 10**400 if seen > 14 else 1})


runner._send = _send


def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
