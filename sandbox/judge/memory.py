"""A GPU's memory, as far as it decides how to measure and what a latency is near to."""

from __future__ import annotations

from dataclasses import dataclass

import torch

TIMES_L2 = 2
"""A batch that is this many times the L2 finds nothing of a call's data there."""


@dataclass(frozen=True)
class Memory:
    """A GPU's memory, as its driver describes it.

    Attributes:
        bytes_per_s: of the DRAM, at most: clock, twice per cycle, times the bus.
        l2_bytes: size of the L2.
    """

    bytes_per_s: float
    l2_bytes: int


def memory_of(device: torch.device) -> Memory | None:
    """The memory of a GPU; None of a CPU."""
    if device.type != "cuda":
        return None
    from cuda.bindings import driver

    names = driver.CUdevice_attribute
    khz, bits, l2_bytes = (
        int(driver.cuDeviceGetAttribute(name, device.index or 0)[1])
        for name in (
            names.CU_DEVICE_ATTRIBUTE_MEMORY_CLOCK_RATE,
            names.CU_DEVICE_ATTRIBUTE_GLOBAL_MEMORY_BUS_WIDTH,
            names.CU_DEVICE_ATTRIBUTE_L2_CACHE_SIZE,
        )
    )
    return Memory(2 * khz * 1e3 * bits / 8, l2_bytes)
