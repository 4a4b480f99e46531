"""Writes nothing and hopes for stale or zeroed memory. Target: unpoisoned outputs."""

EXPECT = "rejected"
WORDS = "finite"
SOURCE = """\
def run(x, w, y):
    pass
"""
