"""Arenas: shared memory that carries inputs to a runner and outputs back.

An arena is made for one challenge, filled with fresh inputs and poison, sealed in size (a runner that
shrinks it would crash its reader), and handed over with the challenge, so no input is within reach of
the candidate before the clock starts. Outputs are read the moment the answer arrives.
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
    """The shared memory of one challenge."""

    def __init__(self, where: Layout, batch: Sequence[list[Any]]) -> None:
        self.layout = where
        self.batch = batch
        size = where.stride * len(batch)
        self.fd = os.memfd_create("arena", os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
        os.ftruncate(self.fd, size)
        fcntl.fcntl(self.fd, _F_ADD_SEALS, _SHRINK | _GROW | _SEAL)
        self._map = mmap.mmap(self.fd, size)
        self._flat = torch.frombuffer(self._map, dtype=torch.uint8, count=size)
        for slot, inputs in enumerate(batch):
            for field, value in zip(where.inputs, inputs, strict=True):
                if field is not None:
                    self._bytes(slot, field).copy_(as_bytes(value))
            for field in where.outputs:
                self._bytes(slot, field).fill_(POISON)

    def message(self) -> dict[str, Any]:
        """The part of a challenge that describes this arena."""
        return {
            "count": len(self.batch),
            "stride": self.layout.stride,
            "inputs": [field and field.as_json() for field in self.layout.inputs],
            "outputs": [field.as_json() for field in self.layout.outputs],
            "values": [
                [value for value in inputs if not isinstance(value, torch.Tensor)]
                for inputs in self.batch
            ],
        }

    def snapshot(self) -> torch.Tensor:
        """A private copy of everything, taken now: nothing that is written later counts."""
        return self._flat.clone()

    def outputs(self, taken: torch.Tensor, slot: int) -> list[torch.Tensor]:
        """The outputs of a slot in a snapshot."""
        return [
            _bytes(taken, self.layout, slot, field).view(field.dtype).view(field.shape)
            if field.size_bytes
            else torch.empty(field.shape, dtype=field.dtype)
            for field in self.layout.outputs
        ]

    def changed_inputs(self, taken: torch.Tensor, slot: int) -> list[int]:
        """The positions of inputs that no longer hold what was given."""
        return [
            position
            for position, (field, value) in enumerate(
                zip(self.layout.inputs, self.batch[slot], strict=True)
            )
            if field is not None
            and not torch.equal(_bytes(taken, self.layout, slot, field), as_bytes(value))
        ]

    def close(self) -> None:
        os.close(self.fd)

    def _bytes(self, slot: int, field: Field) -> torch.Tensor:
        return _bytes(self._flat, self.layout, slot, field)


def as_bytes(value: torch.Tensor) -> torch.Tensor:
    """A tensor's bytes."""
    return value.contiguous().view(-1).view(torch.uint8)


def _bytes(flat: torch.Tensor, where: Layout, slot: int, field: Field) -> torch.Tensor:
    start = slot * where.stride + field.offset
    return flat[start : start + field.size_bytes]
