"""Writes into every descriptor. Target: inherited pipes."""

EXPECT = "harmless"
SOURCE = """\
import os
def run(x, w, y):
    for descriptor in range(3, 256):
        try:
            os.write(descriptor, b'{"ok": true}')
        except OSError:
            pass
"""
