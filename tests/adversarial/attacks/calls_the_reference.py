"""Looks for the reference and calls it. Target: a reference on the candidate's path or disk."""

EXPECT = "rejected"
WORDS = "finite"
SOURCE = """\
import glob
import importlib
import json
found = []
for name in ("reference", "task", "definition", "baseline", "eval", "check", "kernels", "tests"):
    try:
        found.append(importlib.import_module(name).run)
    except Exception:
        pass
for top in ("/sandbox", "/tmp", "/home", "/root", "/srv", "/opt", "/var"):
    for path in glob.glob(f"{top}/**/definition.json", recursive=True):
        scope = {}
        exec(json.load(open(path))["reference"], scope)
        found.append(scope["run"])
def run(x, w, y):
    if found:
        y.copy_(found[0](x, w))
"""
