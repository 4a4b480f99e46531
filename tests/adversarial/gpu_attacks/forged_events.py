"""Five times the work, and CUDA events that say otherwise. Target: time from the candidate's process."""

EXPECT = "slow"
SOURCE = """\
import torch
def norm(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
torch.cuda.Event.elapsed_time = lambda *_: 1e-6
def run(x, w, y):
    for _ in range(5):
        norm(x, w, y)
"""
