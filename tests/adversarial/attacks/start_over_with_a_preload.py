"""Executes itself again with a preloaded library. Target: checks that ran before."""

EXPECT = "rejected"
SOURCE = """\
import os
import sys
def run(x, w, y):
    os.environ["LD_PRELOAD"] = "/tmp/faster.so"
    os.execv(sys.executable, [sys.executable, "-c", "print('PASSED')"])
"""
