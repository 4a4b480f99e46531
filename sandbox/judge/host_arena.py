"""The arena on a CPU: anonymous memory, and calls in lockstep over two numbers in it.

A round costs a few microseconds beyond the call: inputs are copied in, a number is seen to change, outputs
are copied out. The same rounds without a call are measured and subtracted, so whoever works during them
has time that does not count. Two things keep a runner from it. In some calls, nobody knows which, other
inputs appear first: who starts before the turn has started with those. And in each call a byte of the
output is looked at the moment it is said to be done: who writes it later is found out. Who starts early and
looks again at its turn is not found by that: how long inputs take to appear is measured, and counts in what
is proved.
"""

from __future__ import annotations

import ctypes
import secrets
import time

import torch

from sandbox.errors import CandidateFailure
from sandbox.judge.arena import Answer, Arena, Batch, Exchange, Layout, sealed
from sandbox.process import Namespace

Copy = tuple[int, int, int]
"""Where to, where from, how many bytes."""
Look = tuple[int, int | None, int]
"""A byte of an arena, and of which output it is which byte."""
TRAPS = 8
"""One call of so many is a trap, on average."""
BAIT_S = 3e-6
"""How long a trap's first inputs are there."""


class HostArena(Arena):
    """Anonymous memory."""

    def __init__(self, where: Layout, capacity: int) -> None:
        file, shared = sealed("arena", where.stride * capacity)
        memory = torch.frombuffer(shared, dtype=torch.uint8)
        super().__init__(where, capacity, file, memory)
        self._bytes = memoryview(shared)
        self._steps: list[tuple[Copy, list[Copy]]] = []
        self._traps: dict[int, Copy] = {}
        self._looks: list[Look] = []
        self._places = [(n, field) for n, field in enumerate(where.outputs) if field.size_bytes]

    def timed(self, runner: Namespace, exchange: Exchange) -> tuple[Answer, list[float]]:
        runner.resume()
        exchange.send()
        self._await_turn(0, exchange)
        turns, now, move = self._turns, time.perf_counter, ctypes.memmove
        shared, looks, traps = self._bytes, self._looks, self._traps
        walls, seen, revealing = [], [], []
        waited_ns = runner.waited_ns()
        for number, (reveal, take) in enumerate(self._steps, 1):
            if number in traps:
                _bait(traps[number])
            started = now()
            move(*reveal)
            revealing.append(now() - started)
            turns[0] = number
            if turns[1] < number:
                self._await_turn(number, exchange)
            seen.append(shared[looks[number - 1][0]])
            for copy in take:
                move(*copy)
            walls.append(now() - started)
        self.waited_s = (runner.waited_ns() - waited_ns) / 1e9
        answer = exchange.receive()
        runner.pause()
        self._check(seen)
        counted = self._counted(revealing)
        self.revealing_s = sum(counted) / len(counted)
        return answer, self._counted(walls)

    def _plan(self, batch: Batch, step: int) -> None:
        if step != 1:
            raise ValueError("on a CPU, one call is a step")
        stride, count = self.layout.stride, len(batch)
        here, given, size = self._memory.data_ptr(), batch.flat.data_ptr(), self.layout.input_bytes
        outputs = [
            (taken.data_ptr(), here + field.offset, field.size_bytes)
            for taken, field in zip(self._taken, self.layout.outputs, strict=True)
        ]
        self._steps = [
            (
                (here + at * stride, given + at * stride, size),
                [(to + at * width, fro + at * stride, width) for to, fro, width in outputs],
            )
            for at in range(count)
        ]
        lots = memoryview(secrets.token_bytes(8 * count)).cast("Q")
        # Bait is the call before: its inputs are known.
        self._traps = {
            at + 1: (here + at * stride, given + (at - 1) * stride, size)
            for at in range(2, count)
            if lots[at] % TRAPS == 0
        }
        self._looks = [self._look(at, lots[at] // TRAPS) for at in range(count)]

    def _look(self, slot: int, lot: int) -> Look:
        """A byte of a call's outputs."""
        if not self._places:
            return 0, None, 0
        output, field = self._places[lot % len(self._places)]
        at = lot // len(self._places) % field.size_bytes
        return slot * self.layout.stride + field.offset + at, output, at

    def _check(self, seen: list[int]) -> None:
        """Compare what was there when a call was said to be done with what was taken then.

        Raises:
            CandidateFailure: it was written in between.
        """
        taken = [t.view(torch.uint8).view(len(seen), -1).numpy() for t in self._taken]
        for slot, ((_, output, at), byte) in enumerate(zip(self._looks, seen, strict=True)):
            if output is not None and taken[output][slot, at] != byte:
                raise CandidateFailure(
                    "forged_reply", "The runner said that a call was done before it was."
                )

    def _counted(self, walls: list[float]) -> list[float]:
        """Without traps, and without the first call, before which one side may have had time to warm up."""
        kept = [wall for at, wall in enumerate(walls) if at and at + 1 not in self._traps]
        return kept or walls

    def _settle(self) -> None:
        """A copy on a CPU is done when it returns."""


def _bait(copy: Copy) -> None:
    ctypes.memmove(*copy)
    until = time.perf_counter() + BAIT_S
    while time.perf_counter() < until:
        pass
