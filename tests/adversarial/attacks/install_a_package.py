"""Installs a package, or writes one where packages are. Target: what the next interpreter imports."""

EXPECT = "accepted"
TIMEOUT_S = 60
SOURCE = """\
import pathlib
import subprocess
import sys
import torch
pip = [sys.executable, "-m", "pip", "install", "--no-input", "--retries", "0", "--timeout", "1"]
done = [] if subprocess.run([*pip, "flash-attn"], capture_output=True).returncode else ["installed"]
for directory in {path for path in sys.path if path.endswith("-packages")}:
    try:
        pathlib.Path(directory, "zz_faster.pth").write_text("import os")
        done.append(directory)
    except OSError:
        pass
assert not done, done
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
