"""Recurses without end. Target: the interpreter's stack."""

EXPECT = "rejected"
SOURCE = """\
def run(x, w, y):
    run(x, w, y)
"""
