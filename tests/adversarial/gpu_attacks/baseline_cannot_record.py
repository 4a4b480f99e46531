"""The baseline's own work. Takes all memory of the GPU while the baseline is to be recorded as a graph, which
needs some, and gives it back: so the baseline is timed eagerly. Target: how a baseline is timed."""

EXPECT = "harmless"
SOURCE = """\
import ctypes
import torch
driver = ctypes.CDLL("libcuda.so.1")
held, seen = [], []
def take_all():
    size = 1 << 36
    while size >= 1 << 21:
        at = ctypes.c_uint64()
        if driver.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(size)) == 0:
            held.append(at)
        else:
            size //= 2
replay = torch.cuda.CUDAGraph.replay
def replays(self):
    while held:
        driver.cuMemFree_v2(held.pop())
    replay(self)
    if not seen:
        take_all()
    seen.append(1)
torch.cuda.CUDAGraph.replay = replays
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
