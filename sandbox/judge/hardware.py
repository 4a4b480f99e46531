"""What a GPU can do at most, as far as it decides how to measure and what a latency can be."""

from __future__ import annotations

from dataclasses import dataclass

import torch

TIMES_L2 = 2
"""A batch that is this many times the L2 finds nothing of a call's data there."""

OPERATIONS_PER_CYCLE = {8: 8192, 9: 8192, 10: 32768}
"""Of one multiprocessor's tensor cores, dense, in the narrowest type that they know, by the first number of
the compute capability: int4 on Ampere, float8 on Hopper, float4 on Blackwell. A multiply-add is two.
Source: NVIDIA's data sheets of A100, H100 and B200, divided by multiprocessors and boost clock."""


@dataclass(frozen=True)
class Hardware:
    """A GPU's limits, as its driver describes it.

    Attributes:
        bytes_per_s: of the DRAM, at most: clock, twice per cycle, times the bus.
        l2_bytes: size of the L2.
        operations_per_s: in any type, at the highest clock; None of an architecture that is not known.
    """

    bytes_per_s: float
    l2_bytes: int
    operations_per_s: float | None = None


def hardware_of(device: torch.device) -> Hardware | None:
    """The limits of a GPU; None of a CPU."""
    if device.type != "cuda":
        return None
    from cuda.bindings import driver

    names = driver.CUdevice_attribute
    memory_khz, bits, l2_bytes, major, multiprocessors, khz = (
        int(driver.cuDeviceGetAttribute(name, device.index or 0)[1])
        for name in (
            names.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE,
            names.CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH,
            names.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE,
            names.CU_DEVICE_ATTRIBUTE_COMPUTE_CAPABILITY_MAJOR,
            names.CU_DEVICE_ATTRIBUTE_MULTIPROCESSOR_COUNT,
            names.CU_DEVICE_ATTRIBUTE_CLOCK_RATE,
        )
    )
    each = OPERATIONS_PER_CYCLE.get(major)
    return Hardware(
        bytes_per_s=2 * memory_khz * 1e3 * bits / 8,
        l2_bytes=l2_bytes,
        operations_per_s=None if each is None else each * multiprocessors * khz * 1e3,
    )
