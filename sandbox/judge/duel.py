"""Two arms on the same batches: what a batch is, how long it must be, and how it is run."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import torch

from sandbox.errors import CandidateFailure
from sandbox.judge.arena import Batch, Layout
from sandbox.judge.arm import Arm, Reply
from sandbox.judge.inputs import Inputs

PROBE_CALLS = 4
ROOM_BYTES = 64 << 20
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
        batch_s: how long a batch should take.
        most_calls: of a batch; each has inputs of its own and is verified, which costs the judge.
        most_bytes: of the inputs and outputs of a batch.
        singles, single_rounds: on a GPU, calls that are also taken one at a time, and how often.
    """

    rounds: int
    batch_s: float
    most_calls: int
    most_bytes: int
    most_rounds: int = 0
    singles: int = 0
    single_rounds: int = 0

    def enough_rounds(self, shortest_s: float) -> int:
        """How many batches make up for one that took so long."""
        wanted = math.ceil(self.rounds * self.batch_s / max(shortest_s, 1e-9))
        return max(self.rounds, min(wanted, self.most_rounds))


class Duel:
    """The arms of a measurement, and what a batch for them is."""

    def __init__(
        self,
        arms: tuple[Arm, ...],
        where: Layout,
        fresh: Callable[[], Inputs],
        verify: Verify,
        effort: Effort,
        timeout_s: float,
    ) -> None:
        self.arms = arms
        self.effort = effort
        self._where = where
        self._fresh = fresh
        self._verify = verify
        self._timeout_s = timeout_s

    @property
    def stride(self) -> int:
        """Bytes of a call."""
        return self._where.stride

    def batch(self, calls: int) -> Batch:
        """Calls on inputs that nobody has seen."""
        return Batch(self._where, [self._fresh() for _ in range(calls)])

    def run(self, arm: Arm, batch: Batch, op: str, *, clocked: bool = False) -> Reply:
        """One arm on a batch; what comes out is not looked at. With `clocked`, one call at a time."""
        step = 1 if clocked else None
        return arm.run(batch, self._timeout_s, op, step=step, clocked=clocked)

    def challenge(self, arm: Arm, batch: Batch, op: str, *, clocked: bool = False) -> Reply:
        """One arm on a batch; what comes out is verified."""
        reply = self.run(arm, batch, op, clocked=clocked)
        self._verify(arm, batch)
        return reply

    def capture_each(self, arm: Arm, batch: Batch) -> None:
        """Record each call of a batch as a graph of its own."""
        arm.run(batch, self._timeout_s, "capture", step=1)
        self._verify(arm, batch)

    def map_all(self, calls: int = 1) -> None:
        """Give each arm an arena for so many calls at least."""
        room = min(self.effort.most_calls, ROOM_BYTES // self._where.stride)
        for arm in self.arms:
            arm.map(self._where, max(calls, room), self._timeout_s)

    def plan(self) -> tuple[dict[Arm, str], int]:
        """How each arm runs a batch, and of how many calls, so that it is long against its cost's jitter.

        A graph is faster than the calls that it recorded, so there the second guess is the better.
        """
        effort = self.effort
        most_bytes = effort.most_bytes
        if self._where.device.type == "cuda":  # both arms and this process hold a batch
            most_bytes = min(most_bytes, torch.cuda.mem_get_info(self._where.device)[1] // 16)
        most = max(1, min(effort.most_calls, most_bytes // self._where.stride))
        calls = min(most, PROBE_CALLS)
        self.map_all(calls)
        batch = self.batch(calls)
        if self._where.device.type != "cuda":
            calls = self._enough(self._fastest(batch), batch, effort.batch_s, most)
            self.map_all(calls)
            return dict.fromkeys(self.arms, "run"), calls
        ops, fastest = self._modes(batch)
        calls = self._enough(fastest, batch, effort.batch_s, most)
        self.map_all(calls)
        batch = self.batch(calls)
        return {
            arm: self._record(arm, batch) if ops[arm] == "replay" else "run" for arm in ops
        }, calls

    def _fastest(self, batch: Batch) -> float:
        """Seconds of the faster arm; the first time, code and memory are cold."""
        return min(self.challenge(arm, batch, "run").wall_s for arm in self.arms * 2)

    def _enough(self, fastest: float, batch: Batch, batch_s: float, most: int) -> int:
        """How many calls take long enough, if this batch took that long."""
        cost = min(self.run(self.arms[-1], batch, "idle").wall_s for _ in range(2))
        single = max(fastest - cost, 0.05 * cost) / len(batch)
        return max(1, min(most, math.ceil(batch_s / single)))

    def _modes(self, batch: Batch) -> tuple[dict[Arm, str], float]:
        """How each arm can run a batch, and seconds of the fastest.

        A solution that waits for the GPU or decides on the host cannot be recorded as a graph, and is
        timed eagerly. That changes nothing for the other: else a solution could choose how its baseline
        is timed.
        """
        ops, times = {}, []
        for arm in self.arms:
            ops[arm] = self._record(arm, batch)
            try:
                times.append(self.challenge(arm, batch, ops[arm]).wall_s)
            except (CandidateFailure, Wrong):
                if ops[arm] == "run":
                    raise
                ops[arm] = "run"
                times.append(self.challenge(arm, batch, "run").wall_s)
        return ops, min(times)

    def _record(self, arm: Arm, batch: Batch) -> str:
        """Record a batch as a graph, if it can be; how the arm runs it from now on."""
        try:
            self.challenge(arm, batch, "capture")
        except (CandidateFailure, Wrong):
            return "run"
        return "replay"
