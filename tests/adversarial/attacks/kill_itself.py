"""Dies of a signal. Target: a crash that counts as success."""

EXPECT = "rejected"
SOURCE = """\
import os
import signal
def run(x, w, y):
    os.kill(os.getpid(), signal.SIGSEGV)
    os._exit(0)
"""
