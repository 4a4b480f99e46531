"""Arenas: shared memory that carries inputs to a runner and outputs back.

An arena belongs to one runner and is mapped there once, so that no challenge pays for page faults. It
is sealed in size (a runner that shrinks it would crash its reader). It is filled with fresh inputs and
poison while everything in the runner is stopped, and read when everything is stopped again, so that
nothing is within reach of the candidate before the clock starts or after it ended.
"""

from __future__ import annotations

import fcntl
import mmap
import os
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch

ALIGN = 64
PAGE = 4096
POISON = 0xFF
"""NaN in every float format, -1 in every integer one."""

_F_ADD_SEALS, _SEAL, _SHRINK, _GROW = 1033, 1, 2, 4


@dataclass(frozen=True)
class Field:
    """One tensor's place in a slot."""

    offset: int
    shape: tuple[int, ...]
    dtype: torch.dtype
    size_bytes: int

    def as_json(self) -> dict[str, Any]:
        return {
            "offset": self.offset,
            "shape": list(self.shape),
            "dtype": str(self.dtype).removeprefix("torch."),
            "bytes": self.size_bytes,
        }


@dataclass(frozen=True)
class Layout:
    """Where everything lies in a slot. Scalars (None) travel in the message."""

    inputs: tuple[Field | None, ...]
    outputs: tuple[Field, ...]
    stride: int


def layout(inputs: Sequence[Any], outputs: Sequence[torch.Tensor]) -> Layout:
    """The layout for inputs and outputs like these."""
    offset = 0

    def place(value: Any) -> Field | None:
        nonlocal offset
        if not isinstance(value, torch.Tensor):
            return None
        size = value.numel() * value.element_size()
        field = Field(offset, tuple(value.shape), value.dtype, size)
        offset += -(-size // ALIGN) * ALIGN
        return field

    placed = tuple(place(value) for value in inputs)
    made = tuple(field for field in (place(value) for value in outputs) if field is not None)
    return Layout(placed, made, max(PAGE, -(-offset // PAGE) * PAGE))


class Arena:
    """Shared memory for up to `capacity` calls at a time."""

    def __init__(self, where: Layout, capacity: int) -> None:
        self.layout = where
        self.capacity = capacity
        self.batch: Sequence[list[Any]] = ()
        size = where.stride * capacity
        self.fd = os.memfd_create("arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        fcntl.fcntl(self.fd, _F_ADD_SEALS, _SHRINK | _GROW | _SEAL)
        self._map = mmap.mmap(self.fd, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
        self._flat = torch.frombuffer(self._map, dtype=torch.uint8, count=size)

    def description(self) -> dict[str, Any]:
        """What a runner must know to map it and find the tensors."""
        return {
            "capacity": self.capacity,
            "stride": self.layout.stride,
            "inputs": [field and field.as_json() for field in self.layout.inputs],
            "outputs": [field.as_json() for field in self.layout.outputs],
        }

    def fill(self, batch: Sequence[list[Any]]) -> dict[str, Any]:
        """Put fresh inputs and poison in; return what a challenge says of them."""
        self.batch = batch
        for slot, inputs in enumerate(batch):
            for field, value in zip(self.layout.inputs, inputs, strict=True):
                if field is not None:
                    self._bytes(slot, field).copy_(as_bytes(value))
            for field in self.layout.outputs:
                self._bytes(slot, field).fill_(POISON)
        return {
            "count": len(batch),
            "values": [
                [value for value in inputs if not isinstance(value, torch.Tensor)]
                for inputs in batch
            ],
        }

    def outputs(self, slot: int) -> list[torch.Tensor]:
        """The outputs of a slot: views that hold until the next challenge."""
        return [
            self._bytes(slot, field).view(field.dtype).view(field.shape)
            if field.size_bytes
            else torch.empty(field.shape, dtype=field.dtype)
            for field in self.layout.outputs
        ]

    def changed_inputs(self, slot: int) -> list[int]:
        """The positions of inputs that no longer hold what was given."""
        return [
            position
            for position, (field, value) in enumerate(
                zip(self.layout.inputs, self.batch[slot], strict=True)
            )
            if field is not None
            and not same_bytes(self._bytes(slot, field), as_bytes(value))
        ]

    def close(self) -> None:
        os.close(self.fd)

    def _bytes(self, slot: int, field: Field) -> torch.Tensor:
        start = slot * self.layout.stride + field.offset
        return self._flat[start : start + field.size_bytes]


def as_bytes(value: torch.Tensor) -> torch.Tensor:
    """A tensor's bytes."""
    return value.contiguous().view(-1).view(torch.uint8)


def same_bytes(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two byte tensors are equal; compared eight bytes at a time where that is possible."""
    if one.numel() % 8 == 0 and one.data_ptr() % 8 == 0 and other.data_ptr() % 8 == 0:
        one, other = one.view(torch.int64), other.view(torch.int64)
    return torch.equal(one, other)
