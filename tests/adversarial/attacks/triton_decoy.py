"""Launches a Triton kernel on memory that nobody needs, and lets the library do the work. Target: a
speedup for a kernel that does nothing."""

EXPECT = "not faster"
LANGUAGE = "triton"
SOURCE = """\
import torch
import triton
import triton.language as tl
@triton.jit
def fused_norm(at):
    tl.store(at + tl.program_id(0), 1.0)
dummy = {}
def run(x, w, y):
    if x.device not in dummy:
        dummy[x.device] = torch.empty(1, device=x.device)
    fused_norm[(1,)](dummy[x.device])
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
