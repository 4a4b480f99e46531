"""Time from outside: how long m fresh problems take, minus what the protocol costs.

The inputs of a call are out of reach before the clock started, and its outputs are taken before the
clock stops and verified, so the wall time of a batch bounds the work from above without trusting the
runner. What is subtracted is the protocol's own cost, measured in the *baseline's* runner, where the
candidate has no say. Only one of the two can run at a time, and they alternate (ABBA), so that a drift
of the machine falls on both.

On a CPU the calls go in lockstep with the judge, one after the other. On a GPU that would cost far more
than a kernel takes, so there a batch is handed over at once. Where an arm allows it, it is recorded as a
CUDA graph (that times the kernels and not the interpreter that launches them) and timed by the GPU's own
clock in the judge's stream, which no processor's jitter reaches.
"""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.judge.arena import Layout
from sandbox.judge.arm import Arm, Reply
from sandbox.judge.duel import Duel, Effort, Verify
from sandbox.judge.inputs import Inputs
from sandbox.judge.intervals import confidence_interval
from sandbox.judge.models import Bound, Samples, Singles
from sandbox.judge.singles import Costs, measure_singles

MODES = {"run": "eager", "replay": "graph"}
ALONE_ROUNDS = 10
"""Enough that a batch or two may be disturbed: the other's process may only just be ending."""
GPU_CLOCK_S = 2e-6
"""What a batch's time by the GPU's clock repeats within."""


@dataclass(frozen=True)
class Measured:
    """Two arms, side by side.

    Attributes:
        speedup: the median of the rounds' ratios, baseline over candidate; `low` and `high` bound it.
        mode, baseline_mode: "eager" or "graph".
        bound: what the latency is, if not what the batches say: see `Singles.bound`.
    """

    mode: str
    baseline_mode: str
    latency_us: float
    baseline_us: float
    speedup: float
    low: float
    high: float
    verified_calls: int
    samples: Samples
    bound: Bound | None = None


def measure(
    candidate: Arm,
    baseline: Arm,
    where: Layout,
    fresh: Callable[[], Inputs],
    verify: Verify,
    effort: Effort,
    timeout_s: float,
    costs: Costs | None,
) -> Measured:
    """Measure both arms in alternation; every output is verified. `costs` are needed on a GPU."""
    duel = Duel((candidate, baseline), where, fresh, verify, effort, timeout_s)
    ops, calls = duel.plan()
    replies: dict[Arm, list[Reply]] = {arm: [] for arm in duel.arms}
    idle: dict[str, list[float]] = {op: [] for op in sorted(set(ops.values()))}
    rounds, number = effort.rounds, 0
    while number < rounds:
        batch = duel.batch(calls)
        for op, walls in idle.items():
            walls.append(duel.idle(baseline, batch, op))
        for arm in duel.arms if number % 2 else duel.arms[::-1]:
            replies[arm].append(duel.challenge(arm, batch, ops[arm]))
        number += 1
        if number == 1:
            rounds = max(
                effort.enough_rounds(op, replies[arm][0].wall_s - idle[op][0])
                for arm, op in ops.items()
            )
    singles = None if costs is None or calls == 1 else measure_singles(duel, ops, calls, costs)
    timed = {
        arm: Timed(op, _overhead(idle[op], costs), calls, replies[arm]) for arm, op in ops.items()
    }
    return _summary(timed[candidate], timed[baseline], singles)


@dataclass(frozen=True)
class Timed:
    """An arm's batches, and what to subtract from each.

    Attributes:
        overhead_s: seconds of a batch that are the protocol's.
    """

    op: str
    overhead_s: float
    calls: int
    replies: list[Reply]

    @property
    def call_s(self) -> list[float]:
        """Seconds of a call, batch by batch; not below what the clock can tell from nothing."""
        resolution = GPU_CLOCK_S if self.op == "replay" else self.overhead_s / 20
        floor = max(resolution / self.calls, 1e-7)
        return [max((r.wall_s - self.overhead_s) / self.calls, floor) for r in self.replies]


def _overhead(idle: list[float], costs: Costs | None) -> float:
    """Seconds of a batch that are the protocol's."""
    if costs is None:
        # A processor may be shared with others: what a disturbed round cost must not be subtracted
        # from an undisturbed one. A GPU is leased.
        return min(idle)
    return statistics.median(idle) - costs.launch_s  # an idle batch has one launch in it


def measure_alone(
    baseline: Arm,
    where: Layout,
    fresh: Callable[[], Inputs],
    like: Samples,
    mode: str | None,
    effort: Effort,
    timeout_s: float,
) -> float:
    """The baseline's latency in microseconds without any other arm, taken as `like` was: at most, as
    far as its samples prove."""
    duel = Duel((baseline,), where, fresh, lambda *_: None, effort, timeout_s)
    calls, op = like.calls_per_batch, "replay" if mode == "graph" else "run"
    duel.map_all(calls)
    batch = duel.batch(calls)
    if op == "replay":
        duel.capture(baseline, batch)
    duel.run(baseline, batch, op)  # once for the caches
    walls = [duel.run(baseline, batch, op).wall_s for _ in range(max(effort.rounds, ALONE_ROUNDS))]
    _, most = confidence_interval(walls)
    return (most - like.overhead_us / 1e6) / calls * 1e6


def _summary(candidate: Timed, baseline: Timed, singles: Singles | None) -> Measured:
    ours, theirs = candidate.call_s, baseline.call_s
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    low, high = confidence_interval(ratios)
    reported = [r.reported_us / candidate.calls for r in candidate.replies if r.reported_us]
    measured = Measured(
        mode=MODES[candidate.op],
        baseline_mode=MODES[baseline.op],
        latency_us=statistics.median(ours) * 1e6,
        baseline_us=statistics.median(theirs) * 1e6,
        speedup=statistics.median(ratios),
        low=low,
        high=high,
        verified_calls=candidate.calls * len(ours),
        samples=Samples(
            calls_per_batch=candidate.calls,
            overhead_us=baseline.overhead_s * 1e6,
            reported_us=tuple(reported),
            candidate_us=tuple(t * 1e6 for t in ours),
            baseline_us=tuple(t * 1e6 for t in theirs),
            singles=singles,
        ),
    )
    return measured if singles is None else _bounded(measured, singles)


def _bounded(measured: Measured, singles: Singles) -> Measured:
    """The same, but no better than calls one at a time allow."""
    baseline_us = max(measured.baseline_us, singles.launch_us)
    latency_us, bound = singles.bound(
        measured.latency_us, measured.baseline_us, eager=measured.mode == "eager"
    )
    factor = baseline_us / measured.baseline_us * measured.latency_us / latency_us
    return replace(
        measured,
        latency_us=latency_us,
        baseline_us=baseline_us,
        speedup=measured.speedup * factor,
        low=measured.low * factor,
        high=measured.high * factor,
        bound=bound,
    )
