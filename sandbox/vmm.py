"""GPU memory that two processes share by descriptor.

Unlike CUDA's own IPC this needs no common process or IPC namespace. Whoever receives a descriptor
decides with which rights to map it, so the owner treats the memory as writable by the other side.
Source: CUDA driver API, virtual memory management.
"""

from __future__ import annotations

import os
from typing import Any

REVEALED, DONE, OPEN = 0, 256, 512
"""Where the numbers of `tell` and `await_` are: bytes into a region's last page."""
PAGE = 4096


class Region:
    """Device memory that another process maps, or that another process owns.

    Args:
        size: bytes, with a last page for `tell` and `await_`; rounded up to what the driver hands out.
        device: the GPU's number in this process.
    """

    def __init__(self, size: int, device: int) -> None:
        from cuda.bindings import driver

        self.driver = driver
        self._property = _property(driver, device)
        granularity = _check(
            driver.cuMemGetAllocationGranularity(
                self._property,
                driver.CUmemAllocationGranularity_flags.CU_MEM_ALLOC_GRANULARITY_RECOMMENDED,
            )
        )
        self._numbers = size - PAGE
        self.size = -(-size // granularity) * granularity
        self.address = int(_check(driver.cuMemAddressReserve(self.size, 0, 0, 0)))
        self._handle: Any = None

    def create(self) -> int:
        """Allocate and map memory; return a descriptor of it, owned by the caller."""
        handle = _check(self.driver.cuMemCreate(self.size, self._property, 0))
        self._map(handle)
        kind = self._property.requestedHandleTypes
        return int(_check(self.driver.cuMemExportToShareableHandle(handle, kind, 0)))

    def receive(self, descriptor: int) -> None:
        """Map the memory behind a descriptor, and close the descriptor."""
        kind = self._property.requestedHandleTypes
        try:
            handle = _check(self.driver.cuMemImportFromShareableHandle(descriptor, kind))
        finally:
            os.close(descriptor)
        self._map(handle)

    def close(self) -> None:
        """Give memory and addresses back."""
        if self._handle is not None:
            _check(self.driver.cuMemUnmap(self.address, self.size))
            _check(self.driver.cuMemRelease(self._handle))
            self._handle = None
        _check(self.driver.cuMemAddressFree(self.address, self.size))

    def tell(self, stream: int, which: int, number: int) -> None:
        """Set a number when a stream has come that far."""
        at = self.address + self._numbers + which
        _check(self.driver.cuStreamWriteValue32(stream, at, number, 0))

    def await_(self, stream: int, which: int, number: int) -> None:
        """Let a stream wait until a number is at least this."""
        at = self.address + self._numbers + which
        _check(self.driver.cuStreamWaitValue32(stream, at, number, 0))

    def forget_persisting(self) -> None:
        """Whatever a process asked the L2 to keep, it may drop from now on."""
        _check(self.driver.cuCtxResetPersistingL2Cache())

    def bytes_tensor(self, size: int) -> Any:
        """The first bytes as a uint8 tensor that does not own them."""
        import torch

        described = type("Described", (), {})()
        described.__cuda_array_interface__ = {
            "shape": (size,),
            "typestr": "|u1",
            "data": (self.address, False),
            "version": 3,
        }
        return torch.as_tensor(described, device=f"cuda:{self._property.location.id}")

    def _map(self, handle: Any) -> None:
        driver = self.driver
        _check(driver.cuMemMap(self.address, self.size, 0, handle, 0))
        access = driver.CUmemAccessDesc()
        access.location = self._property.location
        access.flags = driver.CUmemAccess_flags.CU_MEM_ACCESS_FLAGS_PROT_READWRITE
        _check(driver.cuMemSetAccess(self.address, self.size, [access], 1))
        self._handle = handle


def _property(driver: Any, device: int) -> Any:
    found = driver.CUmemAllocationProp()
    found.type = driver.CUmemAllocationType.CU_MEM_ALLOCATION_TYPE_PINNED
    found.location.type = driver.CUmemLocationType.CU_MEM_LOCATION_TYPE_DEVICE
    found.location.id = device
    found.requestedHandleTypes = (
        driver.CUmemAllocationHandleType.CU_MEM_HANDLE_TYPE_POSIX_FILE_DESCRIPTOR
    )
    return found


def _check(result: Any) -> Any:
    """The value of a driver call's result.

    Raises:
        MemoryError: the GPU has no room.
        RuntimeError: another error of the driver's.
    """
    if int(result[0]) != 0:
        name = result[0].name
        raise (MemoryError if "OUT_OF_MEMORY" in name else RuntimeError)(f"CUDA driver: {name}")
    return result[1] if len(result) == 2 else None
