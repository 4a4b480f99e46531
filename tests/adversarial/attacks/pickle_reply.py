"""Sends a pickle that would run a command when loaded. Target: unpickling."""

EXPECT = "rejected"
SOURCE = """\
import os
def run(x, w, y):
    os.write(3, b"\\x80\\x04\\x8c\\x05posix\\x8c\\x06system\\x93\\x8c\\x0etouch /tmp/owned\\x85R.")
"""
