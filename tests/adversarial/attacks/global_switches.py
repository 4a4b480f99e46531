"""Turns global switches of torch. Target: a reference that is computed in the same process."""

EXPECT = "harmless"
SOURCE = """\
import torch
torch.set_num_threads(64)
torch.set_float32_matmul_precision("medium")
torch.backends.mkldnn.enabled = False
torch.set_flush_denormal(True)
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
