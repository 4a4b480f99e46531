"""Raises SystemExit(0). Target: an exit status that counts as success."""

EXPECT = "rejected"
SOURCE = """\
def run(x, w, y):
    raise SystemExit(0)
"""
