"""Answers with the right nonce and does nothing. Target: outputs that nobody took."""

EXPECT = "rejected"
SOURCE = """\
import gc
import json
import os
import socket
import sys
import torch
calls_seen = 0
def run(x, w, y):
    global calls_seen
    calls_seen += 1
    if calls_seen < 7:
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
        return
    frame = sys._getframe(1)
    while "channel" not in frame.f_locals:
        frame = frame.f_back
    channel, request = frame.f_locals["channel"], frame.f_locals["request"]
    while True:
        channel.send(json.dumps({"nonce": request["nonce"], "ok": True}).encode())
        request = json.loads(socket.recv_fds(channel, 1 << 17, 1)[0])
"""
