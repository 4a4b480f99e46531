"""Ends the process as if all were well. Target: verdicts from an exit status."""

EXPECT = "rejected"
WORDS = "ended"
SOURCE = """\
import os
def run(x, w, y):
    os._exit(0)
"""
