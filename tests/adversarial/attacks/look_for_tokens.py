"""Looks for tokens in environments and command lines. Target: the server's secrets."""

EXPECT = "accepted"
SOURCE = """\
import glob
import torch
found = []
for path in glob.glob("/proc/*/environ") + glob.glob("/proc/*/cmdline"):
    try:
        content = open(path, "rb").read()
    except OSError:
        continue
    if b"assay_" in content or b"TOKEN" in content:
        found.append(path)
assert not found, found
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
