"""Two arms on the same batches: what a batch is, how long it must be, and how it is run."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import torch

from sandbox.errors import CandidateFailure
from sandbox.judge.arena import Batch, Layout
from sandbox.judge.arm import Arm, Reply
from sandbox.judge.hardware import TIMES_L2, hardware_of
from sandbox.judge.inputs import Inputs

PROBE_CALLS = 4
SLICE_S = 5e-3
"""About what a processor does for one process before it turns to the next: of shorter calls, there must be
enough for one in the middle."""
ROOM_BYTES = {"cpu": 64 << 20, "cuda": 1 << 30}
"""An arena has room for as many calls as fit in here, so that it need not be mapped again for a longer
batch."""


class Wrong(Exception):
    """An output is wrong."""


Verify = Callable[[Arm, Batch], None]
"""Raises `Wrong` if any output of a batch that an arm's arena holds is wrong."""


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        rounds: batches of each arm; up to `most_rounds` where batches are shorter than they should be.
        batch_s: how long a batch should take, by how it runs: a processor's clock has more jitter than
            a GPU's.
        most_calls: of a batch; each has inputs of its own and is verified, which costs the judge.
        most_bytes: of the inputs and outputs of a batch.
        tolerated: how much slower the baseline may seem beside a candidate than without it before the figure
            is corrected: a virtual machine runs at two speeds, for milliseconds at a time.
        singles, single_rounds: on a GPU, calls that are also taken one at a time, and how often.
    """

    rounds: int
    batch_s: Mapping[str, float]
    most_calls: int
    most_bytes: int
    most_rounds: int = 0
    tolerated: float = 0.05
    singles: int = 0
    single_rounds: int = 0

    def enough_rounds(self, op: str, taken_s: float) -> int:
        """How many batches make up for one that took so long."""
        wanted = math.ceil(self.rounds * self.batch_s[op] / max(taken_s, 1e-9))
        return max(self.rounds, min(wanted, self.most_rounds))


class Duel:
    """The arms of a measurement, and what a batch for them is."""

    def __init__(
        self,
        arms: tuple[Arm, ...],
        where: Layout,
        fresh: Callable[[int], list[Inputs]],
        verify: Verify,
        effort: Effort,
        left_s: Callable[[], float],
    ) -> None:
        self.arms = arms
        self.effort = effort
        self._where = where
        self._fresh = fresh
        self._verify = verify
        self._left_s = left_s

    @property
    def stride(self) -> int:
        """Bytes of a call."""
        return self._where.stride

    def batch(self, calls: int) -> Batch:
        """Calls on inputs that nobody has seen."""
        return Batch(self._where, self._fresh(calls))

    def run(self, arm: Arm, batch: Batch, op: str) -> Reply:
        """One arm on a batch; what comes out is not looked at."""
        return arm.run(batch, self._left_s(), op, clocked=op == "replay")

    def challenge(self, arm: Arm, batch: Batch, op: str) -> Reply:
        """One arm on a batch; what comes out is verified."""
        reply = self.run(arm, batch, op)
        self._verify(arm, batch)
        return reply

    def idle(self, arm: Arm, batch: Batch, op: str) -> float:
        """Seconds that the same takes without any call."""
        return arm.run(batch, self._left_s(), "idle", clocked=op == "replay").wall_s

    def run_singly(self, arm: Arm, batch: Batch, op: str) -> Reply:
        """One arm on a batch, one call at a time on the GPU's clock; what comes out is not looked at."""
        return arm.run(batch, self._left_s(), op, step=1, clocked=True)

    def challenge_singly(self, arm: Arm, batch: Batch, op: str) -> Reply:
        """One arm on a batch, one call at a time on the GPU's clock; what comes out is verified."""
        reply = self.run_singly(arm, batch, op)
        self._verify(arm, batch)
        return reply

    def capture(self, arm: Arm, batch: Batch, *, step: int | None = None) -> None:
        """Record a batch as a graph for each step; by default it is one."""
        arm.capture(batch, self._left_s(), step=step)

    def map_all(self, calls: int = 1) -> None:
        """Give each arm an arena for so many calls at least."""
        room_bytes = ROOM_BYTES[self._where.device.type]
        room = min(self.effort.most_calls, room_bytes // self._where.stride)
        for arm in self.arms:
            arm.map(self._where, max(calls, room), self._left_s())

    @property
    def most_calls(self) -> int:
        """Of a batch."""
        room = self._most_bytes() // self._where.stride
        return max(self._least_calls, min(self.effort.most_calls, room))

    @property
    def _least_calls(self) -> int:
        """Of a batch: on a CPU the first one does not count."""
        return 2 if self._where.device.type == "cpu" else 1

    def plan(self) -> tuple[dict[Arm, str], int]:
        """How each arm runs a batch, and of how many calls, so that it is long against its cost's jitter
        and a GPU's L2 keeps nothing of it."""
        calls = min(self.most_calls, PROBE_CALLS)
        self.map_all(calls)
        batch = self.batch(calls)
        ops = dict.fromkeys(self.arms, "run")
        if self._where.device.type == "cuda":
            for arm in self.arms:
                self.challenge(arm, batch, "run")  # what never ran may not be ready to be recorded
                ops[arm] = self.mode(arm, batch)
        calls = max(self._least_calls, min(self.most_calls, self._enough(ops, batch)))
        self.map_all(calls)
        batch = self.batch(calls)
        for arm, op in ops.items():
            if op == "replay":
                ops[arm] = self.mode(arm, batch)
        return ops, calls

    def _most_bytes(self) -> int:
        """Of a batch. On a GPU both arms and this process hold one."""
        if self._where.device.type != "cuda":
            return self.effort.most_bytes
        return min(self.effort.most_bytes, torch.cuda.mem_get_info(self._where.device)[1] // 16)

    def _enough(self, ops: dict[Arm, str], batch: Batch) -> int:
        """How many calls make a batch long enough for each arm, if this one is like it."""
        hardware = hardware_of(self._where.device)
        enough = 1 if hardware is None else -(-TIMES_L2 * hardware.l2_bytes // self._where.stride)
        for arm, op in ops.items():
            # At first, code and memory are cold; on a CPU the first call does not count anyway.
            times = 2 if op == "run" and hardware is not None else 1
            cost = min(self.idle(self.arms[-1], batch, op) for _ in range(times))
            replies = [self.challenge(arm, batch, op).undisturbed() for _ in range(times)]
            taken = min(reply.wall_s for reply in replies)
            call_s = max(taken - cost, 0.05 * cost) / len(batch)
            enough = max(enough, math.ceil(self.effort.batch_s[op] / call_s))
            if call_s < SLICE_S and hardware is None:
                enough = max(enough, PROBE_CALLS)
        return enough

    def mode(self, arm: Arm, batch: Batch) -> str:
        """How an arm can run a batch on a GPU.

        A solution that waits for the GPU or decides on the host cannot be recorded as a graph, and is
        timed eagerly. That changes nothing for the other: else a solution could choose how its baseline
        is timed.
        """
        try:
            self.capture(arm, batch)
            self.challenge(arm, batch, "replay")
        except (CandidateFailure, Wrong):
            self.challenge(arm, batch, "run")
            return "run"
        return "replay"


def unverified(
    arms: tuple[Arm, ...],
    where: Layout,
    fresh: Callable[[int], list[Inputs]],
    effort: Effort,
    left_s: Callable[[], float],
) -> Duel:
    """A duel in which nobody looks at what comes out."""
    return Duel(arms, where, fresh, lambda *_: None, effort, left_s)
