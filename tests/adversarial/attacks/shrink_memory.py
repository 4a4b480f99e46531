"""Truncates the shared memory so that the judge would crash. Target: unsealed memfds."""

EXPECT = "rejected"
SOURCE = """\
import os
def run(x, w, y):
    for name in os.listdir("/proc/self/fd"):
        try:
            os.ftruncate(int(name), 0)
        except (OSError, ValueError):
            pass
    for region in open("/proc/self/maps"):
        if "arena" in region:
            raise RuntimeError("mapped, and not truncated")
"""
