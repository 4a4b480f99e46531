"""Writes its own answers on every descriptor before any call. Target: an unauthenticated protocol."""

EXPECT = "rejected"
SOURCE = """\
import json
import os
for descriptor in range(3, 16):
    for _ in range(20):
        try:
            os.write(descriptor, json.dumps({"ok": True, "nonce": "x"}).encode())
        except OSError:
            break
def run(x, w, y):
    pass
"""
