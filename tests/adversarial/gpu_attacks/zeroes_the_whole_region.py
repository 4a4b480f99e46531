"""Zeroes all memory that its input is part of. Target: expected outputs and counters beside it on the GPU."""

EXPECT = "rejected"
SOURCE = """\
import ctypes
driver = ctypes.CDLL("libcuda.so.1")
def run(x, w, y):
    base, size = ctypes.c_uint64(), ctypes.c_size_t()
    at = ctypes.c_uint64(x.data_ptr())
    if driver.cuMemGetAddressRange_v2(ctypes.byref(base), ctypes.byref(size), at) == 0:
        driver.cuMemsetD8_v2(base, ctypes.c_ubyte(0), size)
"""
