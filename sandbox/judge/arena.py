"""Arenas: shared memory that carries inputs to a runner and outputs back.

An arena belongs to one runner and is mapped there once, so that no call pays for page faults. A batch
goes in steps: the inputs of a step appear after its clock started and when the outputs of the step
before have been taken, and its outputs are taken before its clock stops. So a runner can neither start
early, nor finish late, nor do calls of several steps at once.
"""

from __future__ import annotations

import fcntl
import math
import mmap
import os
import time
from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import torch

from sandbox.errors import CandidateFailure
from sandbox.process import Namespace
from sandbox.vmm import PAGE

ALIGN = 64
POISON = 0xFF
"""NaN in every float format, -1 in every integer one."""

_F_ADD_SEALS, _SEAL, _SHRINK, _GROW = 1033, 1, 2, 4


Answer = dict[str, Any]
SPINS = 2000
"""How often a turn is looked for before anything else is: some hundred microseconds."""
WAKEFUL_S = 0.1
"""How long a turn is waited for without sleeping. This process comes first on its processors; a solution that
hangs shall not keep others from them."""
NAP_S = 5e-4


class Exchange(Protocol):
    """A request to a runner, and its answer."""

    def send(self) -> None:
        """Hand the request over."""
        ...

    def waiting(self) -> bool:
        """Whether an answer is there, or will never be. Raises if it takes too long."""
        ...

    def receive(self) -> Answer:
        """The answer."""
        ...


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
    device: torch.device

    @property
    def input_bytes(self) -> int:
        """Where the inputs of a slot end; the outputs come after them."""
        ends = [field.offset + field.size_bytes for field in self.inputs if field is not None]
        return -(-max(ends, default=0) // ALIGN) * ALIGN


def layout(inputs: Sequence[Any], outputs: Sequence[torch.Tensor], device: torch.device) -> Layout:
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
    return Layout(placed, made, max(PAGE, -(-offset // PAGE) * PAGE), device)


class Batch:
    """Inputs of several calls, laid out as an arena wants them: outputs are poison."""

    def __init__(self, where: Layout, calls: Sequence[list[Any]]) -> None:
        self.calls = calls
        size = where.stride * len(calls)
        self.flat = torch.full((size,), POISON, dtype=torch.uint8, device=where.device)
        for slot, inputs in enumerate(calls):
            for field, value in zip(where.inputs, inputs, strict=True):
                if field is not None:
                    start = slot * where.stride + field.offset
                    self.flat[start : start + field.size_bytes] = as_bytes(value)

    def __len__(self) -> int:
        return len(self.calls)

    def scalars(self) -> list[list[Any]] | None:
        """The inputs that are no tensors, call by call; None if there are none."""
        found = [[v for v in inputs if not isinstance(v, torch.Tensor)] for inputs in self.calls]
        return found if any(found) else None


class Arena(ABC):
    """Memory for up to `capacity` calls at a time, shared with one runner, and a page with two numbers:
    how many steps have their inputs, and how many have their outputs. The runner can lie with the
    second, but what it then loses is its output.

    Attributes:
        descriptors: the memory and the page, to be handed over when they are mapped.
        revealing_s: on a CPU, seconds in which a call's inputs appeared, in the last batch.
        waited_s: on a CPU, seconds in which the runner or this process waited for a processor meanwhile.
    """

    def __init__(self, where: Layout, capacity: int, descriptor: int, memory: torch.Tensor) -> None:
        self.layout = where
        self.capacity = capacity
        turns, page = sealed("turns", PAGE)
        self.descriptors = [descriptor, turns]
        self._turns = memoryview(page)[:16].cast("q")
        self._memory = memory
        self._taken: list[torch.Tensor] = []
        self.revealing_s = 0.0
        self.waited_s = 0.0

    def description(self) -> dict[str, Any]:
        """What a runner must know to map it and find the tensors."""
        return {
            "device": self.layout.device.type,
            "capacity": self.capacity,
            "stride": self.layout.stride,
            "inputs": [field and field.as_json() for field in self.layout.inputs],
            "outputs": [field.as_json() for field in self.layout.outputs],
        }

    def prepare(self, batch: Batch, step: int) -> None:
        """Get ready for a batch in steps of so many calls, before the clock starts."""
        count = len(batch)
        self._poison(count)
        self._plan(batch, step)
        self._turns[0], self._turns[1] = 0, -1
        self._settle()

    @abstractmethod
    def timed(self, runner: Namespace, exchange: Exchange) -> tuple[Answer, list[float]]:
        """Let the runner work: each step from when inputs are within its reach until nothing that it
        still does can change the outputs. It is stopped before and after.

        Returns:
            The answer, and the seconds of each step that counts.

        Raises:
            CandidateFailure: there is no answer, or it comes without the work.
        """

    def clocked(self, runner: Namespace, exchange: Exchange) -> tuple[Answer, list[float]]:
        """Like `timed`, but the GPU itself keeps the turns and the time."""
        raise NotImplementedError("there is no GPU")

    @abstractmethod
    def _plan(self, batch: Batch, step: int) -> None:
        """Note what to copy in each step."""

    @abstractmethod
    def _settle(self) -> None:
        """Wait until copies are done."""

    def _await_turn(self, number: int, exchange: Exchange, patience_s: float = math.inf) -> None:
        """Wait for the outputs of a step, but no longer than `patience_s`.

        Raises:
            CandidateFailure: they will not come: there is an answer, or nobody, instead.
        """
        turns, began = self._turns, time.monotonic()
        while turns[1] < number and (waited := time.monotonic() - began) < patience_s:
            for _ in range(SPINS):
                if turns[1] >= number:
                    return
            if exchange.waiting() and turns[1] < number:
                exchange.receive()  # why, if it says so
                raise CandidateFailure("forged_reply", "The runner answered before it was done.")
            if waited < WAKEFUL_S:
                os.sched_yield()
            else:
                time.sleep(NAP_S)

    def close(self) -> None:
        """Give the memory back."""
        for descriptor in self.descriptors:
            os.close(descriptor)

    def outputs(self) -> list[torch.Tensor]:
        """Each output of the batch's calls, `[calls, ...]`, as they were taken; until the next."""
        return [
            taken.view(len(taken), *field.shape)
            for field, taken in zip(self.layout.outputs, self._taken, strict=True)
        ]

    def changed_inputs(self, batch: Batch) -> list[int]:
        """The positions of inputs that no longer hold what was given."""
        if self._same(batch, 0, self.layout.input_bytes):
            return []
        return [
            position
            for position, field in enumerate(self.layout.inputs)
            if field is not None and not self._same(batch, field.offset, field.size_bytes)
        ]

    def _shared(self, count: int, field: Field) -> torch.Tensor:
        """A tensor of the first `count` slots where the runner has it: `[count, elements]`."""
        stride = self.layout.stride
        return _words(self._memory, stride, count, field.offset, field.size_bytes, field.dtype)

    def _poison(self, count: int) -> None:
        """Nothing is left of earlier batches: where the runner looks, nor in what will be taken."""
        self._rows(self._memory, count).fill_(-1)  # in every byte
        shared = [self._shared(count, field) for field in self.layout.outputs]
        self._taken = [
            torch.full((t.nbytes,), POISON, dtype=torch.uint8, device=t.device)
            .view(t.dtype)
            .view(t.shape)
            for t in shared
        ]

    def _inputs(self, flat: torch.Tensor, count: int) -> torch.Tensor:
        """The inputs' part of the slots, as rows of 8-byte words."""
        return self._rows(flat, count)[:, : self.layout.input_bytes // 8]

    def _rows(self, flat: torch.Tensor, count: int) -> torch.Tensor:
        """The slots as rows of 8-byte words."""
        return _words(flat, self.layout.stride, count, 0, self.layout.stride, torch.int64)

    def _same(self, batch: Batch, offset: int, size: int) -> bool:
        dtype = torch.int64 if size % 8 == 0 else torch.uint8
        now, given = (
            _words(flat, self.layout.stride, len(batch), offset, size, dtype)
            for flat in (self._memory, batch.flat)
        )
        return torch.equal(now, given)


def sealed(name: str, size: int) -> tuple[int, mmap.mmap]:
    """Anonymous memory, sealed in size: a runner that shrinks it would crash its reader."""
    file = os.memfd_create(name, os.MFD_CLOEXEC | os.MFD_ALLOW_SEALING)
    os.ftruncate(file, size)
    fcntl.fcntl(file, _F_ADD_SEALS, _SHRINK | _GROW | _SEAL)
    return file, mmap.mmap(file, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)


def as_bytes(value: torch.Tensor) -> torch.Tensor:
    """A tensor's bytes."""
    return value.contiguous().view(-1).view(torch.uint8)


def _words(
    flat: torch.Tensor, stride: int, count: int, offset: int, size: int, dtype: torch.dtype
) -> torch.Tensor:
    """The same stretch of each of the first `count` slots: `[count, size / itemsize]`."""
    width = dtype.itemsize
    return (
        flat[: stride * count]
        .view(count, stride)[:, offset : offset + size]
        .view(dtype)
        .view(count, size // width)
    )
