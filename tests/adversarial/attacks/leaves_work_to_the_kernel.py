"""The baseline's own work. When its last call of a batch is done, it leaves sockets in flight in a circle, with
hundreds of epoll descriptors: a thread of the kernel's takes them apart when the solution is stopped and the baseline
runs. Some it keeps, to be taken apart when it is dead and the baseline is alone. It goes on only when all that is over.
Target: a stop that ends threads, and not what they left to others. (Beside a judge that measured the baseline beside
a candidate and after it, and let descriptors be sent, this showed 1.9 to 2.3 times.)"""

EXPECT = "rejected"
WORDS = "not permitted"
TIMEOUT_S = 60
SOURCE = """\
import array
import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
import torch

EACH, KEPT, TARGETS, LAST = 350, 1000, 900, 16
FILL = '''
#include <sys/epoll.h>
void fill(int poll, int *targets, int count) {
  struct epoll_event event = {1};
  for (int i = 0; i < count; ++i) epoll_ctl(poll, EPOLL_CTL_ADD, targets[i], &event);
}
'''
batches, kept = 0, []
libc = ctypes.CDLL(None)
one = os.eventfd(0)
targets = (ctypes.c_int * TARGETS)(one, *(os.dup(one) for _ in range(TARGETS - 1)))
with open("/tmp/fill.c", "w") as file:
    file.write(FILL)
subprocess.run(["gcc", "-O1", "-shared", "-fPIC", "-o", "/tmp/fill.so", "/tmp/fill.c"], check=True)
fill = ctypes.CDLL("/tmp/fill.so").fill


def send(channel, *descriptors):
    there = array.array("i", descriptors)
    channel.sendmsg([b"x"], [(socket.SOL_SOCKET, socket.SCM_RIGHTS, there)])


def leave(count):
    left, right = socket.socketpair()
    send(left, right.fileno(), one)
    for _ in range(count // 50):
        polls = [libc.epoll_create1(0) for _ in range(50)]
        for poll in polls:
            fill(poll, targets, TARGETS)
        send(left, *polls)
        for poll in polls:
            os.close(poll)
    right.close()
    return left


def running():
    with open("/proc/loadavg") as file:
        return int(file.read().split()[3].split("/")[0])


def await_calm(*_):
    until, good = time.monotonic() + 4, 0
    while batches and time.monotonic() < until and good < 8:
        good = good + 1 if running() <= 2 else 0
        spin = time.perf_counter() + 0.0004
        while time.perf_counter() < spin:
            pass


signal.signal(signal.SIGCONT, await_calm)


def run(x, w, y):
    global batches
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    frame = sys._getframe(1)
    while frame and "turns" not in frame.f_locals:
        frame = frame.f_back
    here = frame.f_locals if frame else {"calls": (), "number": 0, "turns": [0, 0]}
    if here["number"] == len(here["calls"]) != 1:
        here["turns"][1] = here["number"]
        if batches == LAST:
            kept.append(leave(KEPT))
        elif batches % 2 == 0:
            leave(EACH).close()
        batches += 1
"""
