"""Calls in lockstep on a CPU, with a process of the test's own as the runner."""

from __future__ import annotations

import mmap
import os
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

from sandbox.errors import CandidateFailure
from sandbox.judge.arena import Batch, layout
from sandbox.judge.host_arena import HostArena
from sandbox.process import run_times

SIZE = 256
WHERE = layout([torch.zeros(SIZE)], [torch.zeros(SIZE)], torch.device("cpu"))
Values = np.ndarray[Any, np.dtype[np.float32]]
Row = Callable[[Values, Values, Callable[[], None]], None]


class Runner:
    """Does what a runner does in a process of its own, and is its own namespace."""

    def __init__(self, arena: HostArena, count: int, work: Row) -> None:
        memory, page = (mmap.mmap(os.dup(fd), 0) for fd in arena.descriptors)
        self._flat = np.frombuffer(memory, dtype=np.float32).reshape(arena.capacity, -1)
        self._turns = memoryview(page)[:16].cast("q")
        self._count, self._work = count, work
        self._child = 0

    def _serve(self) -> None:
        turns = self._turns
        turns[1] = 0
        for number in range(1, self._count + 1):
            row = self._flat[number - 1]
            self._work(row[:SIZE], row[SIZE : 2 * SIZE], lambda n=number: wait(turns, n))
            turns[1] = number

    def resume(self) -> None: ...
    def pause(self) -> None: ...
    def waited_ns(self) -> int:
        return sum(ran.waited_ns for ran in run_times({self._child}).values())

    def send(self) -> None:
        self._child = os.fork()
        if self._child == 0:
            try:
                self._serve()
            finally:
                os._exit(0)

    def waiting(self) -> bool:
        return False

    def receive(self) -> dict[str, Any]:
        os.waitpid(self._child, 0)
        return {}


def wait(turns: memoryview, number: int) -> None:
    parent = os.getppid()
    while turns[0] < number and os.getppid() == parent:  # a test that failed leaves nobody behind
        os.sched_yield()


def run(work: Row, count: int = 40) -> tuple[HostArena, Batch, list[float]]:
    arena = HostArena(WHERE, count)
    batch = Batch(WHERE, [[torch.randn(SIZE)] for _ in range(count)])
    arena.prepare(batch, 1)
    runner = Runner(arena, count, work)
    _, steps = arena.timed(runner, runner)  # type: ignore[arg-type]
    return arena, batch, steps


def honest(x: Values, y: Values, await_inputs: Callable[[], None]) -> None:
    await_inputs()
    y[:] = x * 2


def correct(arena: HostArena, batch: Batch) -> list[bool]:
    (outputs,) = arena.outputs()
    return [torch.equal(y, x[0] * 2) for y, x in zip(outputs, batch.calls, strict=True)]


def test_an_honest_runner_is_right_and_most_calls_count() -> None:
    arena, batch, steps = run(honest)
    assert all(correct(arena, batch))
    assert not arena.changed_inputs(batch)
    assert 20 <= len(steps) < 40  # not the first, and no traps


def test_who_starts_before_its_turn_falls_into_a_trap() -> None:
    def eager(x: Values, y: Values, await_inputs: Callable[[], None]) -> None:
        while np.isnan(x[-1]):  # poison
            pass
        early = x * 2
        await_inputs()
        y[:] = early

    # On a busy machine it may not run at the moment in which the bait is there.
    assert any(not all(correct(*run(eager)[:2])) for _ in range(100))


def test_who_is_done_before_its_output_is_found_out() -> None:
    def late(x: Values, y: Values, await_inputs: Callable[[], None]) -> None:
        await_inputs()

    def attempt() -> None:
        arena = HostArena(WHERE, 8)
        batch = Batch(WHERE, [[torch.randn(SIZE)] for _ in range(8)])
        arena.prepare(batch, 1)
        runner = Runner(arena, 8, late)
        written = torch.ones(SIZE)
        take = arena._steps[3][1]
        # What is copied out as the fourth call's output was not there when it was said to be done.
        arena._steps[3] = (arena._steps[3][0], [(take[0][0], written.data_ptr(), SIZE * 4)])
        arena.timed(runner, runner)  # type: ignore[arg-type]

    with pytest.raises(CandidateFailure, match="before it was"):
        attempt()


def test_a_single_call_counts() -> None:
    arena, batch, steps = run(honest, count=1)
    assert len(steps) == 1
    assert correct(arena, batch) == [True]
