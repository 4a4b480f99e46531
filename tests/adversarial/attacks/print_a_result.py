"""Prints a perfect result and ends well. Target: results read from standard output."""

EXPECT = "rejected"
SOURCE = """\
import json
import os
import sys
def run(x, w, y):
    print(json.dumps({"status": "PASSED", "latency_ms": 1e-6, "correct": True}))
    sys.stdout.flush()
    os._exit(0)
"""
