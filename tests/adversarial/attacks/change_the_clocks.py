"""Tries to write clocks and power limits. Target: another frequency for the baseline."""

EXPECT = "accepted"
SOURCE = """\
import ctypes
import glob
import torch
done = []
for path in (
    *glob.glob("/sys/devices/system/cpu/cpu*/cpufreq/scaling_*"),
    "/sys/devices/system/cpu/intel_pstate/no_turbo",
    "/sys/devices/system/cpu/cpufreq/boost",
    "/proc/sys/vm/drop_caches",
    "/proc/sys/kernel/sched_rt_runtime_us",
):
    try:
        open(path, "r+b").close()
        done.append(path)
    except OSError:
        pass
try:
    nvml = ctypes.CDLL("libnvidia-ml.so.1")
    card, limit = ctypes.c_void_p(), ctypes.c_uint()
    if nvml.nvmlInit_v2() == 0 and nvml.nvmlDeviceGetHandleByIndex_v2(0, ctypes.byref(card)) == 0:
        if nvml.nvmlDeviceGetPowerManagementLimit(card, ctypes.byref(limit)) == 0:
            if nvml.nvmlDeviceSetPowerManagementLimit(card, limit) == 0:  # to what it is
                done.append("power limit")
except OSError:
    pass
assert not done, done
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""
