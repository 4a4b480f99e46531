"""Answers with JSON that is nested deeply. Target: a recursive parser."""

EXPECT = "rejected"
SOURCE = """\
import os
def run(x, w, y):
    os.write(3, b"[" * 30000 + b"]" * 30000)
"""
