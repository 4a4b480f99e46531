"""Allocates without end. Target: the judge's memory."""

EXPECT = "rejected"
SOURCE = """\
def run(x, w, y):
    hoard = []
    while True:
        hoard.append(bytearray(64 << 20))
"""
