"""Tries to rewrite the judge's files. Target: files that the next run uses."""

EXPECT = "rejected"
SOURCE = """\
import pathlib
changed = []
for path in pathlib.Path("/sandbox/lib").rglob("*.py"):
    try:
        path.write_text("raise SystemExit(0)")
        changed.append(path)
    except OSError:
        pass
def run(x, w, y):
    y.fill_(float(len(changed)))
"""
