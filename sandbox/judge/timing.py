"""Time from outside: how long m fresh problems take, minus what the protocol costs.

A batch of m calls gets inputs that did not exist before the clock started, and every output is
verified after it stopped, so the wall time of a batch bounds the work from above without trusting the
runner. What is subtracted is the protocol's own cost (mapping the arena, one round trip), measured in
the *baseline's* runner, where the candidate has no say. Candidate and baseline alternate (ABBA), so
that a drift of the machine falls on both.
"""

from __future__ import annotations

import math
import random
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sandbox.judge.arena import Arena, Layout
from sandbox.judge.arm import Arm
from sandbox.judge.inputs import Inputs
from sandbox.judge.models import Samples

TARGET_BATCH_S = 0.03
MAX_CALLS = 64
MAX_ARENA_BYTES = 32 << 20
CONFIDENCE = 0.95
RESAMPLES = 2000

Verify = Callable[[Arm, Arena, torch.Tensor], None]
"""Raises if any output in the snapshot of an arena is wrong."""


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    rounds: int
    timeout_s: float


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
    plan: Plan,
) -> Measured:
    """Measure both arms in alternation; every output is verified."""
    calls = _calls_per_batch(candidate, baseline, where, fresh, verify, plan)
    # While the baseline runs, nothing of the candidate does: a thread that it left spinning on the
    # same core would slow the baseline down and raise the ratio.
    candidate.pause()
    walls: dict[bool, list[float]] = {True: [], False: []}
    costs: list[float] = []
    for number in range(plan.rounds):
        batch = [fresh() for _ in range(calls)]
        costs.append(_protocol_cost(baseline, where, batch, plan.timeout_s))
        order = (candidate, baseline) if number % 2 == 0 else (baseline, candidate)
        for arm in order:
            if arm is candidate:
                candidate.resume()
            wall_s = _challenge(arm, where, batch, verify, plan.timeout_s)
            if arm is candidate:
                candidate.pause()
            walls[arm is candidate].append(wall_s)
    candidate.resume()
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
        verified_calls=calls * plan.rounds,
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
    generator = random.Random(0)  # noqa: S311 - resampling, not a secret
    medians = sorted(
        statistics.median(generator.choices(ratios, k=len(ratios))) for _ in range(RESAMPLES)
    )
    tail = (1 - CONFIDENCE) / 2
    return medians[int(tail * RESAMPLES)], medians[math.ceil((1 - tail) * RESAMPLES) - 1]


def _challenge(
    arm: Arm, where: Layout, batch: list[Inputs], verify: Verify, timeout_s: float
) -> float:
    arena = Arena(where, batch)
    try:
        reply = arm.run(arena, timeout_s)
        taken = arena.snapshot()
    finally:
        arena.close()
    verify(arm, arena, taken)
    return reply.wall_s


def _calls_per_batch(
    candidate: Arm,
    baseline: Arm,
    where: Layout,
    fresh: Callable[[], Inputs],
    verify: Verify,
    plan: Plan,
) -> int:
    """Enough calls for a batch that is long against the protocol's cost and its jitter."""
    fit = max(1, min(MAX_CALLS, MAX_ARENA_BYTES // where.stride))
    probe = min(4, fit)
    single = min(
        _challenge(arm, where, [fresh() for _ in range(probe)], verify, plan.timeout_s) / probe
        for arm in (candidate, baseline)
    )
    return max(1, min(fit, math.ceil(TARGET_BATCH_S / max(single, 1e-6))))


def _protocol_cost(baseline: Arm, where: Layout, batch: list[Inputs], timeout_s: float) -> float:
    """One challenge without a call: mapping the arena and the round trip."""
    arena = Arena(where, batch)
    try:
        return baseline.map_only(arena, timeout_s).wall_s
    finally:
        arena.close()
