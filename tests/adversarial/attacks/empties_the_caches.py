"""Does the baseline's work, then empties the caches before it answers. Target: a baseline that runs next."""

EXPECT = "not faster"
SOURCE = """\
import torch
from sandbox.runner import main
room = torch.empty(64 << 20, dtype=torch.uint8)
send = main._send
def after_emptying(channel, message):
    room.add_(1)
    send(channel, message)
main._send = after_emptying
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
