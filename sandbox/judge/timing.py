"""Time from outside: how long m fresh problems take, minus what the protocol costs.

The inputs of a call are out of reach before the clock started, and its outputs are taken before the
clock stops and verified, so the wall time of a batch bounds the work from above without trusting the
runner. What is subtracted is the protocol's own cost, measured in the *baseline's* runner, where the
candidate has no say. Only one of the two can run at a time, and they alternate (ABBA), so that a drift
of the machine falls on both.

On a CPU the calls go in lockstep with the judge, one after the other. On a GPU that would cost far more
than a kernel takes, so there a batch is handed over at once, recorded as a CUDA graph where both arms
allow it (that times the kernels and not the interpreter that launches them).
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sandbox.errors import CandidateFailure
from sandbox.judge.arena import Batch, Layout
from sandbox.judge.arm import Arm, Reply
from sandbox.judge.inputs import Inputs
from sandbox.judge.models import Samples

CONFIDENCE = 0.95

PROBE_CALLS = 4
ALONE_ROUNDS = 6


class Wrong(Exception):
    """An output is wrong."""


Verify = Callable[[Arm, Batch], None]
"""Raises `Wrong` if any output of a batch that an arm's arena holds is wrong."""


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        rounds: batches of each arm.
        batch_s: how long a batch should take.
        most_calls: of a batch; each has inputs of its own and is verified, which costs the judge.
        most_bytes: of the inputs and outputs of a batch.
    """

    rounds: int
    batch_s: float
    most_calls: int
    most_bytes: int


@dataclass(frozen=True)
class Measured:
    """Two arms, side by side.

    Attributes:
        speedup: the median of the rounds' ratios, baseline over candidate; `low` and `high` bound it.
        mode: "eager" or "graph".
    """

    mode: str
    latency_us: float
    baseline_us: float
    speedup: float
    low: float
    high: float
    verified_calls: int
    samples: Samples


def measure(
    candidate: Arm,
    baseline: Arm,
    where: Layout,
    fresh: Callable[[], Inputs],
    verify: Verify,
    effort: Effort,
    timeout_s: float,
) -> Measured:
    """Measure both arms in alternation; every output is verified."""
    duel = _Duel((candidate, baseline), where, fresh, verify, timeout_s)
    op, calls = duel.plan(effort)
    replies: dict[bool, list[Reply]] = {True: [], False: []}
    costs: list[float] = []
    for number in range(effort.rounds):
        batch = duel.batch(calls)
        costs.append(baseline.run(batch, timeout_s, "idle").wall_s)
        for arm in duel.arms if number % 2 == 0 else duel.arms[::-1]:
            replies[arm is candidate].append(duel.challenge(arm, batch, op))
    # A processor may be shared with others: what a disturbed round cost must not be subtracted from
    # an undisturbed one. A GPU is leased.
    overhead = statistics.median(costs) if where.device.type == "cuda" else min(costs)
    return _summary("graph" if op == "replay" else "eager", calls, overhead, replies)


def measure_alone(
    baseline: Arm,
    where: Layout,
    fresh: Callable[[], Inputs],
    like: Samples,
    mode: str | None,
    timeout_s: float,
) -> float:
    """The baseline's latency in microseconds without any other arm, taken as `like` was."""
    duel = _Duel((baseline,), where, fresh, lambda *_: None, timeout_s)
    calls, op = like.calls_per_batch, "replay" if mode == "graph" else "run"
    duel.map_all(calls)
    if op == "replay":
        baseline.run(duel.batch(calls), timeout_s, "capture")
    walls = []
    for _ in range(ALONE_ROUNDS):
        walls.append(baseline.run(duel.batch(calls), timeout_s, op).wall_s)
    return (statistics.median(walls) - like.overhead_us / 1e6) / calls * 1e6


class _Duel:
    """The arms of a measurement, and what a batch for them is."""

    def __init__(
        self,
        arms: tuple[Arm, ...],
        where: Layout,
        fresh: Callable[[], Inputs],
        verify: Verify,
        timeout_s: float,
    ) -> None:
        self.arms = arms
        self._where = where
        self._fresh = fresh
        self._verify = verify
        self._timeout_s = timeout_s

    def batch(self, calls: int) -> Batch:
        return Batch(self._where, [self._fresh() for _ in range(calls)])

    def challenge(self, arm: Arm, batch: Batch, op: str) -> Reply:
        reply = arm.run(batch, self._timeout_s, op)
        self._verify(arm, batch)
        return reply

    def map_all(self, calls: int) -> None:
        for arm in self.arms:
            arm.map(self._where, calls, self._timeout_s)

    def plan(self, effort: Effort) -> tuple[str, int]:
        """How to run a batch, and of how many calls, so that it is long against its cost's jitter.

        A graph is faster than the calls that it recorded, so there the second guess is the better.
        """
        most_bytes = effort.most_bytes
        if self._where.device.type == "cuda":  # both arms and this process hold a batch
            most_bytes = min(most_bytes, torch.cuda.mem_get_info(self._where.device)[1] // 16)
        most = max(1, min(effort.most_calls, most_bytes // self._where.stride))
        calls = min(most, PROBE_CALLS)
        self.map_all(calls)
        batch = self.batch(calls)
        calls = self._enough(self._fastest(batch, "run"), batch, effort.batch_s, most)
        self.map_all(calls)
        if self._where.device.type != "cuda":
            return "run", calls
        for _ in range(2):
            batch = self.batch(calls)
            fastest = self._capture(batch)
            if fastest is None:
                return "run", calls
            more = self._enough(fastest, batch, effort.batch_s, most)
            if more < 1.5 * calls:
                return "replay", calls
            calls = more
            self.map_all(calls)
        return ("run" if self._capture(self.batch(calls)) is None else "replay"), calls

    def _fastest(self, batch: Batch, op: str) -> float:
        """Seconds of the faster arm; the first time, code and memory are cold."""
        return min(self.challenge(arm, batch, op).wall_s for arm in self.arms * 2)

    def _enough(self, fastest: float, batch: Batch, batch_s: float, most: int) -> int:
        """How many calls take long enough, if this batch took that long."""
        cost = min(self.arms[-1].run(batch, self._timeout_s, "idle").wall_s for _ in range(2))
        single = max(fastest - cost, 0.05 * cost) / len(batch)
        return max(1, min(most, math.ceil(batch_s / single)))

    def _capture(self, batch: Batch) -> float | None:
        """Record all arms' calls as graphs; seconds of the faster one, or None if that cannot be.

        A solution that waits for the GPU or decides on the host cannot be recorded; it is then timed
        eagerly, which is no fault.
        """
        try:
            for arm in self.arms:
                self.challenge(arm, batch, "capture")
            return min(self.challenge(arm, batch, "replay").wall_s for arm in self.arms)
        except (CandidateFailure, Wrong):
            return None


def _summary(
    mode: str,
    calls: int,
    overhead: float,
    replies: dict[bool, list[Reply]],
) -> Measured:
    times = {
        arm: [(reply.wall_s - overhead) / calls for reply in some] for arm, some in replies.items()
    }
    floor = max(overhead / calls / 20, 1e-7)  # what this clock cannot resolve
    theirs = [max(t, floor) for t in times[False]]
    ours = [max(t, floor) for t in times[True]]
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    low, high = confidence_interval(ratios)
    reported = [r.reported_us / calls for r in replies[True] if r.reported_us is not None]
    return Measured(
        mode=mode,
        latency_us=statistics.median(ours) * 1e6,
        baseline_us=statistics.median(theirs) * 1e6,
        speedup=statistics.median(ratios),
        low=low,
        high=high,
        verified_calls=calls * len(ours),
        samples=Samples(
            calls_per_batch=calls,
            overhead_us=overhead * 1e6,
            reported_us=tuple(reported),
            candidate_us=tuple(t * 1e6 for t in times[True]),
            baseline_us=tuple(t * 1e6 for t in times[False]),
        ),
    )


def confidence_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """A 95 % interval of the median, from the order of the samples alone.

    Exact for any distribution: the k-th smallest of n samples lies above the median as often as n
    throws of a coin show fewer than k heads. Fewer than six samples cannot prove as much; they give
    the smallest and the largest.
    """
    ordered, n = sorted(ratios), len(ratios)
    below, k = 0.0, 0
    while (below := below + math.comb(n, k) / 2**n) <= (1 - CONFIDENCE) / 2:
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]
