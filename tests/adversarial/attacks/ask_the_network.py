"""Fetches its answer from the network. Target: a way out."""

EXPECT = "rejected"
WORDS = ""
SOURCE = """\
import urllib.request
def run(x, w, y):
    urllib.request.urlopen("http://127.0.0.1:8777/answer", timeout=1)
"""
