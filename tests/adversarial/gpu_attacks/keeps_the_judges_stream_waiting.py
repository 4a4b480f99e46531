"""Answers before it is done, and lets a copy engine write a zero where the judge then writes the number that
frees its own stream. Target: a judge that waits for ever."""

EXPECT = "harmless"
TIMEOUT_S = 8
SOURCE = """\
import ctypes
import sys
import threading
import torch
driver = ctypes.CDLL("libcuda.so.1")
def keep_zero(at):
    torch.cuda.set_device(0)
    torch.cuda.current_stream()
    context, stream, host = ctypes.c_void_p(), ctypes.c_void_p(), ctypes.c_void_p()
    driver.cuDevicePrimaryCtxRetain(ctypes.byref(context), 0)
    driver.cuCtxSetCurrent(context)
    driver.cuStreamCreate(ctypes.byref(stream), 1)
    driver.cuMemHostAlloc(ctypes.byref(host), ctypes.c_size_t(64), 0)
    ctypes.memset(host, 0, 64)
    while True:
        driver.cuMemcpyHtoDAsync_v2(ctypes.c_uint64(at), host, ctypes.c_size_t(4), stream)
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
    frame = sys._getframe(1)
    while frame and "steps" not in frame.f_locals:
        frame = frame.f_back
    arena = frame.f_locals["self"] if frame else None
    if arena is None or not torch.cuda.is_current_stream_capturing() or "tell" in vars(arena._region):
        return
    region = arena._region
    at = region.address + region._numbers + 256
    def tell(*_):
        threading.Thread(target=keep_zero, args=(at,), daemon=True).start()
    region.tell = tell
    arena._guard.total_us = lambda: 0.0
"""
