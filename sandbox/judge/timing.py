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

ALONE_ROUNDS = 10
MODES = {"run": "eager", "replay": "graph"}


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
    replies: dict[bool, list[Reply]] = {True: [], False: []}
    idle: list[float] = []
    rounds = effort.rounds
    while len(idle) < rounds:
        batch = duel.batch(calls)
        idle.append(duel.run(baseline, batch, "idle").wall_s)
        for arm in duel.arms if len(idle) % 2 else duel.arms[::-1]:
            replies[arm is candidate].append(duel.challenge(arm, batch, ops[arm]))
        if len(idle) == 1:
            fastest = min(some[0].wall_s for some in replies.values()) - idle[0]
            rounds = effort.enough_rounds(fastest)
    if costs is None:
        # A processor may be shared with others: what a disturbed round cost must not be subtracted
        # from an undisturbed one. A GPU is leased.
        return _summary(("eager", "eager"), calls, min(idle), replies, None)
    singles = measure_singles(duel, ops, calls, costs) if calls > 1 else None
    modes = (MODES[ops[candidate]], MODES[ops[baseline]])
    return _summary(modes, calls, statistics.median(idle), replies, singles)


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
    if op == "replay":
        baseline.run(duel.batch(calls), timeout_s, "capture")
    batch = duel.batch(calls)
    baseline.run(batch, timeout_s, op)  # once for the caches
    walls = [baseline.run(batch, timeout_s, op).wall_s for _ in range(ALONE_ROUNDS)]
    _, most = confidence_interval(walls)
    return (most - like.overhead_us / 1e6) / calls * 1e6


def _summary(
    modes: tuple[str, str],
    calls: int,
    overhead: float,
    replies: dict[bool, list[Reply]],
    singles: Singles | None,
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
    measured = Measured(
        mode=modes[0],
        baseline_mode=modes[1],
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
