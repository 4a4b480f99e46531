"""Leaves kernels running while the baseline is measured. Target: the baseline's latency."""

EXPECT = "not faster"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
side = torch.cuda.Stream()
def run(x, w, y):
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("eagerly, please")
    norm(x, w, y)
    with torch.cuda.stream(side):
        torch.cuda._sleep(500_000)
torch.cuda.synchronize = lambda *_: torch.cuda.current_stream().synchronize()
"""
