"""A second process keeps the GPU busy while the baseline runs. Target: the baseline's latency."""

EXPECT = "not faster"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
import subprocess, sys
HOG = chr(10).join((
    "import torch", "while True:", "    torch.cuda._sleep(10_000_000); torch.cuda.synchronize()"
))
subprocess.Popen([sys.executable, "-c", HOG], start_new_session=True)
run = norm
"""
