"""Time from outside: how long m fresh problems take, minus what the protocol costs.

A batch of m calls gets inputs that were out of reach before the clock started, and every output is
verified after it stopped, so the wall time of a batch bounds the work from above without trusting the
runner. The clock starts before anything in the runner may run and stops when nothing in it can: an
answer that comes before the work is done gains nothing. What is subtracted is the protocol's own cost
(waking, one round trip, stopping), measured in the *baseline's* runner, where the candidate has no
say. Only one of the two can run at a time, and they alternate (ABBA), so that a drift of the machine
falls on both.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from sandbox.judge.arena import Batch, Layout
from sandbox.judge.arm import Arm
from sandbox.judge.inputs import Inputs
from sandbox.judge.models import Samples

MAX_ARENA_BYTES = 16 << 20
CONFIDENCE = 0.95
RESAMPLES = 2000

Verify = Callable[[Arm, Batch], None]
"""Raises if any output of a batch that an arm's arena holds is wrong."""


@dataclass(frozen=True)
class Effort:
    """How much to measure.

    Attributes:
        rounds: batches of each arm.
        batch_s: how long a batch should take.
        most_calls: of a batch; each has inputs of its own and is verified, which costs the judge.
    """

    rounds: int
    batch_s: float
    most_calls: int


@dataclass(frozen=True)
class Measured:
    """Two arms, side by side."""

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
    capacity = max(1, min(effort.most_calls, MAX_ARENA_BYTES // where.stride))
    for arm in (candidate, baseline):
        arm.map(where, capacity, timeout_s)

    def fresh_batch(calls: int) -> Batch:
        return Batch(where, [fresh() for _ in range(calls)])

    def challenge(arm: Arm, batch: Batch) -> float:
        wall_s = arm.run(batch, timeout_s)
        verify(arm, batch)
        return wall_s

    calls = _calls_per_batch(
        challenge, (candidate, baseline), fresh_batch, capacity, effort.batch_s
    )
    walls: dict[bool, list[float]] = {True: [], False: []}
    costs: list[float] = []
    for number in range(effort.rounds):
        batch = fresh_batch(calls)
        costs.append(baseline.run(batch, timeout_s, op="idle"))
        order = (candidate, baseline) if number % 2 == 0 else (baseline, candidate)
        for arm in order:
            walls[arm is candidate].append(challenge(arm, batch))
    overhead = statistics.median(costs)
    times = {
        arm: [(wall_s - overhead) / calls for wall_s in measured] for arm, measured in walls.items()
    }
    floor = max(overhead / calls / 20, 1e-7)  # what this clock cannot resolve
    ours = [max(t, floor) for t in times[True]]
    theirs = [max(t, floor) for t in times[False]]
    low, high = confidence_interval([b / a for a, b in zip(ours, theirs, strict=True)])
    return Measured(
        latency_us=statistics.median(ours) * 1e6,
        baseline_us=statistics.median(theirs) * 1e6,
        speedup=statistics.median(theirs) / statistics.median(ours),
        low=low,
        high=high,
        verified_calls=calls * effort.rounds,
        samples=Samples(
            calls_per_batch=calls,
            overhead_us=overhead * 1e6,
            candidate_us=tuple(t * 1e6 for t in times[True]),
            baseline_us=tuple(t * 1e6 for t in times[False]),
        ),
    )


def confidence_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """Percentile bootstrap of the median ratio, 95 %.

    The resampling is seeded with a constant: the interval is a function of the samples.
    """
    samples = numpy.asarray(ratios)
    chosen = numpy.random.default_rng(0).integers(len(samples), size=(RESAMPLES, len(samples)))
    tail = 100 * (1 - CONFIDENCE) / 2
    low, high = numpy.percentile(numpy.median(samples[chosen], axis=1), [tail, 100 - tail])
    return float(low), float(high)


def _calls_per_batch(
    challenge: Callable[[Arm, Batch], float],
    arms: Sequence[Arm],
    fresh_batch: Callable[[int], Batch],
    capacity: int,
    batch_s: float,
) -> int:
    """Enough calls for a batch that is long against the protocol's cost and its jitter."""
    probe = min(4, capacity)
    single = min(
        challenge(arm, fresh_batch(probe)) / probe
        for arm in arms
        for _ in range(2)  # the first time, code and memory are cold
    )
    return max(1, min(capacity, math.ceil(batch_s / max(single, 1e-6))))
