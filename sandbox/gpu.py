"""The GPUs of this machine: which there are, and what a sandbox needs to see of one.

Light: NVML and files, no torch and no CUDA context.
"""

from __future__ import annotations

import ctypes
import glob
import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError, SandboxFailure
from sandbox.leases import lease
from sandbox.runtime import SYSTEM_PATHS, Mount

CONTROL_NODES = (
    "/dev/nvidiactl",
    "/dev/nvidia-uvm",
    "/dev/nvidia-uvm-tools",
    "/dev/nvidia-modeset",
)
NODE_PATTERNS = ("/dev/nvidia-caps/*", "/dev/nvidia-caps-imex-channels/*")
VISIBLE = "CUDA_VISIBLE_DEVICES"


@dataclass(frozen=True)
class Gpu:
    """One GPU.

    Attributes:
        index: its number as in `cuda:0`: in PCI bus order, among those that CUDA_VISIBLE_DEVICES leaves.
        uuid: its name for ever.
        minor: the number of its device node.
        name: the product's name.
        capability: compute capability, such as (9, 0).
        driver: the driver's version.
    """

    index: int
    uuid: str
    minor: int
    name: str
    capability: tuple[int, int]
    driver: str

    @property
    def target(self) -> str:
        """The compiler's name of its architecture, with its own instructions: `sm_90a`."""
        major, minor = self.capability
        return f"sm_{major}{minor}{'a' if major >= 9 else ''}"

    def lease(
        self, timeout_s: float, waiting: Callable[[str], None] = lambda _: None
    ) -> AbstractContextManager[None]:
        """Have it alone for a while: see `sandbox.leases.lease`."""
        return lease(f"gpu-{self.uuid}", self.name, timeout_s, waiting)

    def nodes(self) -> list[str]:
        """The device nodes that CUDA needs, and no other GPU's."""
        found = [*CONTROL_NODES, f"/dev/nvidia{self.minor}"]
        for pattern in NODE_PATTERNS:
            found += sorted(glob.glob(pattern))  # noqa: PTH207
        return [node for node in found if os.path.exists(node)]  # noqa: PTH110


@dataclass(frozen=True)
class State:
    """What a GPU was doing at a moment.

    Attributes:
        sm_mhz, memory_mhz: current clocks.
        temperature_c: of the die.
        power_w: drawn.
        slowdowns: reasons why its clocks are held down, other than having nothing to do.
        processes: how many compute on it, ours included.
    """

    sm_mhz: int
    memory_mhz: int
    temperature_c: int
    power_w: float
    slowdowns: tuple[str, ...]
    processes: int


_SLOWDOWNS = {
    0x2: "applications clocks setting",
    0x4: "power cap",
    0x8: "hardware slowdown",
    0x10: "sync boost",
    0x20: "thermal (software)",
    0x40: "thermal (hardware)",
    0x80: "power brake",
    0x100: "display clocks setting",
}


def visible(uuids: Sequence[str], wanted: str | None) -> list[str]:
    """Which GPUs CUDA_VISIBLE_DEVICES leaves, read as CUDA reads it.

    Args:
        uuids: of all GPUs, in PCI bus order.
        wanted: the variable: numbers, or UUIDs that may be cut short; None if it is not set. The first that
            names no GPU ends the list; one that is named twice makes it empty.
    """
    if wanted is None:
        return list(uuids)
    found: list[str] = []
    for name in (part.strip() for part in wanted.split(",")):
        if name.isdecimal():
            named = list(uuids[int(name) : int(name) + 1])
        else:
            named = [uuid for uuid in uuids if name.startswith("GPU-") and uuid.startswith(name)]
        if len(named) != 1:
            break
        if named[0] in found:
            return []
        found += named
    return found


def find_gpus() -> list[Gpu]:
    """Every NVIDIA GPU that NVML knows and CUDA_VISIBLE_DEVICES leaves; none without a driver."""
    with _nvml() as nvml:
        if nvml is None:
            return []
        driver = str(nvml.nvmlSystemGetDriverVersion())
        handles = [nvml.nvmlDeviceGetHandleByIndex(i) for i in range(nvml.nvmlDeviceGetCount())]
        known = {str(nvml.nvmlDeviceGetUUID(handle)): handle for handle in handles}
        left = [(uuid, known[uuid]) for uuid in visible(list(known), os.environ.get(VISIBLE))]
        return [
            Gpu(
                index=index,
                uuid=uuid,
                minor=int(nvml.nvmlDeviceGetMinorNumber(handle)),
                name=str(nvml.nvmlDeviceGetName(handle)),
                capability=tuple(nvml.nvmlDeviceGetCudaComputeCapability(handle)),
                driver=driver,
            )
            for index, (uuid, handle) in enumerate(left)
        ]


def find_gpu(device: str) -> Gpu:
    """The GPU behind a device name such as `cuda:0`.

    Raises:
        AssayError: `device_unavailable`, with what there is instead.
    """
    gpus = find_gpus()
    match = re.fullmatch(r"cuda(?::(\d+))?", device)
    if match is not None and int(match[1] or 0) < len(gpus):
        return gpus[int(match[1] or 0)]
    known = ["cpu", *(f"cuda:{gpu.index} ({gpu.name})" for gpu in gpus)]
    raise AssayError(
        "device_unavailable",
        f"This machine has no device {device[:40]!r}.",
        f"Use one of: {', '.join(known)}.",
    )


def state(gpu: Gpu) -> State:
    """What the GPU is doing now."""
    with _nvml() as nvml:
        if nvml is None:
            raise SandboxFailure("gpu_lost", "NVML no longer answers.", "See `assay doctor`.")
        handle = nvml.nvmlDeviceGetHandleByUUID(gpu.uuid)
        reasons = int(nvml.nvmlDeviceGetCurrentClocksEventReasons(handle))
        return State(
            sm_mhz=int(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_SM)),
            memory_mhz=int(nvml.nvmlDeviceGetClockInfo(handle, nvml.NVML_CLOCK_MEM)),
            temperature_c=int(nvml.nvmlDeviceGetTemperature(handle, nvml.NVML_TEMPERATURE_GPU)),
            power_w=nvml.nvmlDeviceGetPowerUsage(handle) / 1e3,
            slowdowns=tuple(name for bit, name in _SLOWDOWNS.items() if reasons & bit),
            processes=len(nvml.nvmlDeviceGetComputeRunningProcesses(handle)),
        )


def driver_mounts() -> tuple[Mount, ...]:
    """What CUDA needs beside the device nodes: /sys, and the driver's libraries where they lie
    outside the system's paths."""
    mounts = [Mount(Path("/sys"), "/sys")]
    try:
        ctypes.CDLL("libcuda.so.1")
    except OSError:
        return tuple(mounts)
    directories = set()
    for line in Path("/proc/self/maps").read_text().splitlines():
        match = re.search(r"(/\S*/lib(?:cuda|nvidia)[^/]*\.so\S*)$", line)
        if match:
            directories.add(Path(match[1]).resolve().parent)
    for directory in sorted(directories):
        if not any(directory.is_relative_to(path) for path in SYSTEM_PATHS):
            mounts.append(Mount(directory, str(directory)))
    return tuple(mounts)


def library_path(drivers: tuple[Mount, ...]) -> dict[str, str]:
    """Where a driver's libraries are, when it is not where the loader looks anyway."""
    directories = [mount.target for mount in drivers if mount.target != "/sys"]
    return {"LD_LIBRARY_PATH": ":".join(directories)} if directories else {}


@contextmanager
def _nvml() -> Iterator[Any]:
    """NVML while it is needed; None without a driver."""
    import pynvml

    try:
        pynvml.nvmlInit()
    except pynvml.NVMLError:
        yield None
        return
    try:
        yield pynvml
    finally:
        pynvml.nvmlShutdown()
