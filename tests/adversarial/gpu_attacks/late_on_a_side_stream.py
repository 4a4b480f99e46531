"""Does the work later, on a side stream. Target: outputs that are read after the clock stopped."""

EXPECT = "harmless"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
side = torch.cuda.Stream()
def run(x, w, y):
    if torch.cuda.is_current_stream_capturing():
        raise RuntimeError("eagerly, please")
    with torch.cuda.stream(side):
        torch.cuda._sleep(20_000_000)
        norm(x, w, y)
torch.cuda.synchronize = lambda *_: torch.cuda.current_stream().synchronize()
"""
