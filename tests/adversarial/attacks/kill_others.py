"""Signals every process that it can name. Target: a shared PID namespace or uid."""

EXPECT = "rejected"
SOURCE = """\
import os
import signal
for pid in (1, os.getppid(), -1):
    try:
        os.kill(pid, signal.SIGKILL)
    except OSError:
        pass
def run(x, w, y):
    pass
"""
