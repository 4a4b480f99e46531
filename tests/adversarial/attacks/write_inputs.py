"""Zeroes its inputs so that a recomputed reference would agree. Target: a reference that reads the
candidate's inputs."""

EXPECT = "rejected"
SOURCE = """\
def run(x, w, y):
    x.zero_()
    y.zero_()
"""
