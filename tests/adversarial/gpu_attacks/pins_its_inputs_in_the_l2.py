"""Sets part of the L2 aside and keeps its inputs there. Target: batches that find nothing in the caches."""

EXPECT = "not faster"
SOURCE = """\
import ctypes
import torch
libraries = [line.split()[-1] for line in open("/proc/self/maps") if "libcudart.so" in line]
cudart = ctypes.CDLL(libraries[0])
class Window(ctypes.Structure):
    _fields_ = [
        ("base", ctypes.c_void_p),
        ("bytes", ctypes.c_size_t),
        ("ratio", ctypes.c_float),
        ("hit", ctypes.c_int),
        ("miss", ctypes.c_int),
    ]
class Attribute(ctypes.Union):
    _fields_ = [("all", ctypes.c_char * 64), ("window", Window)]
LIMIT_PERSISTING_L2, ACCESS_POLICY_WINDOW, PERSISTING = 6, 1, 2
cudart.cudaDeviceSetLimit(LIMIT_PERSISTING_L2, ctypes.c_size_t(30 << 20))
def run(x, w, y):
    attribute = Attribute()
    attribute.window = Window(x.data_ptr(), x.nbytes, 1.0, PERSISTING, 0)
    stream = ctypes.c_void_p(torch.cuda.current_stream().cuda_stream)
    cudart.cudaStreamSetAttribute(stream, ACCESS_POLICY_WINDOW, ctypes.byref(attribute))
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
