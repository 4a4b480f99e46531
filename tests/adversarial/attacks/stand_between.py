"""Puts itself between the runner and the judge, and edits what the one tells the other. Target: figures
that pass through the candidate's process. (It has to pass descriptors on, which is denied.)"""

EXPECT = "rejected"
TIMEOUT_S = 5
SOURCE = """\
import json
import os
import socket
import threading
import torch
judge = socket.socket(fileno=os.dup(3))
mine, runners = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
os.dup2(runners.fileno(), 3)
def requests():
    while True:
        packet, descriptors, _, _ = socket.recv_fds(judge, 1 << 17, 2)
        if not packet:
            os._exit(0)
        socket.send_fds(mine, [packet], descriptors)
        for descriptor in descriptors:
            os.close(descriptor)
def answers():
    while True:
        answer = json.loads(mine.recv(1 << 17))
        judge.send(json.dumps({"nonce": answer["nonce"], "ok": True, "device_us": 1e-3}).encode())
threading.Thread(target=requests, daemon=True).start()
threading.Thread(target=answers, daemon=True).start()
def run(x, w, y):
    for _ in range(5):
        y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
