"""Forks without end. Target: the judge's own ability to run."""

EXPECT = "rejected"
TIMEOUT_S = 8
SOURCE = """\
import os
def run(x, w, y):
    try:
        while True:
            if os.fork() == 0:
                while True:
                    pass
    except OSError:
        raise
"""
