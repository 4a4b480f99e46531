"""Answers with as much as the socket takes. Target: unbounded reads."""

EXPECT = "rejected"
SOURCE = """\
import os
def run(x, w, y):
    try:
        os.write(3, b"[" * (1 << 17))
    except OSError:
        raise
"""
