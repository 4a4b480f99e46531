"""Attaches descriptors to its answer. Target: a reader that keeps them."""

EXPECT = "rejected"
SOURCE = """\
import json
import os
import socket
def run(x, w, y):
    channel = socket.socket(fileno=os.dup(3))
    socket.send_fds(channel, [json.dumps({"nonce": "?", "ok": True}).encode()], [0, 1, 2])
"""
