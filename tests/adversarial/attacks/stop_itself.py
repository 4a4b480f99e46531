"""Stops its own process. Target: a judge that waits for ever."""

EXPECT = "rejected"
TIMEOUT_S = 5
SOURCE = """\
import os
import signal
def run(x, w, y):
    os.kill(os.getpid(), signal.SIGSTOP)
    os.abort()
"""
