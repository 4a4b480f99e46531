"""Finds the request's nonce in the caller's frame and answers by itself, without work."""

EXPECT = "rejected"
SOURCE = """\
import json
import os
import sys
def run(x, w, y):
    frame = sys._getframe()
    while frame:
        request = frame.f_locals.get("request")
        if isinstance(request, dict) and "nonce" in request:
            os.write(3, json.dumps({"nonce": request["nonce"], "ok": True}).encode())
            os._exit(0)
        frame = frame.f_back
"""
