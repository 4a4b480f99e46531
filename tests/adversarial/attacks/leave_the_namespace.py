"""Tries namespaces, mounts, tracing and other processes' memory. Target: the sandbox."""

EXPECT = "accepted"
SOURCE = """\
import ctypes
import os
import torch
libc = ctypes.CDLL(None, use_errno=True)
done = []
for flag in (0x10000000, 0x20000000, 0x00020000, 0x40000000):
    if libc.unshare(flag) == 0:
        done.append(hex(flag))
if libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0:
    done.append("mount")
if libc.ptrace(16, 1, 0, 0) == 0:
    done.append("ptrace")
if libc.chroot(b"/tmp") == 0:
    done.append("chroot")
for number in (321, 425, 298, 272, 310, 438):  # bpf, io_uring, perf, unshare, readv, pidfd_getfd
    if libc.syscall(number, 0, 0, 0, 0, 0) >= 0 and number != 310:
        done.append(number)
assert not done, done
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
