"""Closes the descriptor of the protocol. Target: a judge that waits for ever."""

EXPECT = "rejected"
TIMEOUT_S = 5
SOURCE = """\
import os
def run(x, w, y):
    os.close(3)
"""
