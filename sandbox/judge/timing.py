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

import math
import statistics
from collections.abc import Callable
from dataclasses import dataclass, replace

from sandbox.judge.arena import Layout
from sandbox.judge.arm import Arm, Reply
from sandbox.judge.duel import Duel, Effort, Verify, unverified
from sandbox.judge.inputs import Inputs
from sandbox.judge.intervals import confidence_interval
from sandbox.judge.models import BUSY, Bound, Samples, Singles
from sandbox.judge.singles import Costs, Steps, singles_in, singles_of, take_singles

MODES = {"run": "eager", "replay": "graph"}
FEWEST_ROUNDS = 3
"""Of the baseline alone on a CPU, where half as many as beside the candidate are enough."""
BEFORE_CALLS = 8
"""Of a batch before there is a candidate, where no more are needed to make it long."""
LEAST_S = 1e-7
"""What a call is said to take at least."""
GPU_CLOCK_S = 2e-6
"""What a batch's time by the GPU's clock repeats within."""


@dataclass(frozen=True)
class Taken:
    """What two arms took, the protocol's cost included.

    Attributes:
        ops: how the candidate and the baseline ran.
        costs: on a GPU, what is known of the two runners.
        singles: on a GPU, seconds of the candidate's calls one at a time, if a batch has several.
    """

    ops: tuple[str, str]
    calls: int
    candidate: list[Reply]
    baseline: list[Reply]
    costs: Costs | None
    singles: list[float]


@dataclass(frozen=True)
class Alone:
    """Seconds without a candidate.

    Attributes:
        tolerated: see `Effort`.
        op: how the baseline ran.
        baseline, idle: batches of the baseline, and batches without a call.
        singles, idle_singles: on a GPU, the same one at a time, if a batch has several.
    """

    tolerated: float
    op: str
    baseline: list[float]
    idle: dict[str, list[float]]
    singles: list[float]
    idle_singles: list[float]


@dataclass(frozen=True)
class Before:
    """On a CPU, seconds of a call before there was a candidate.

    Attributes:
        baseline, idle: of the baseline, the protocol's cost included, and of no call.
    """

    baseline: list[float]
    idle: list[float]


@dataclass(frozen=True)
class Measured:
    """Two arms, side by side.

    Attributes:
        speedup: the median of the rounds' ratios, baseline over candidate; `low` and `high` bound it.
        mode, baseline_mode: "eager" or "graph".
        bound: what the latency is, if not what the batches say: see `Singles.bound`.
        baseline_alone_us: what the baseline takes at most without the candidate; if it seemed clearly slower
            beside it, this counts.
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
    baseline_alone_us: float | None = None


def take_before(
    baseline: Arm,
    where: Layout,
    fresh: Callable[[int], list[Inputs]],
    effort: Effort,
    left_s: Callable[[], float],
) -> Before:
    """The baseline and the protocol on a CPU, while nobody has left anything for later.

    What a candidate makes the system do may go on when it is stopped, and even when it is dead.
    """
    duel = unverified((baseline,), where, fresh, effort, left_s)
    calls = min(duel.most_calls, BEFORE_CALLS)
    duel.map_all(calls)
    batch = duel.batch(calls)
    call_s = duel.run(baseline, batch, "run").wall_s / calls  # also once because code is cold
    enough = min(duel.most_calls, math.ceil(effort.batch_s["run"] / call_s))
    if enough > 2 * calls:  # what fits into a cache depends on how many there are
        calls = enough
        duel.map_all(calls)
        batch = duel.batch(calls)
    rounds = range(FEWEST_ROUNDS)
    return Before(
        baseline=[duel.run(baseline, batch, "run").undisturbed().wall_s / calls for _ in rounds],
        idle=[duel.idle(baseline, batch, "run") / calls for _ in rounds],
    )


def take(
    candidate: Arm,
    baseline: Arm,
    where: Layout,
    fresh: Callable[[int], list[Inputs]],
    verify: Verify,
    effort: Effort,
    left_s: Callable[[], float],
    costs: Costs | None,
) -> Taken:
    """Run both arms in alternation; every output is verified. `costs` are needed on a GPU."""
    duel = Duel((candidate, baseline), where, fresh, verify, effort, left_s)
    ops, calls = duel.plan()
    replies: dict[Arm, list[Reply]] = {arm: [] for arm in duel.arms}
    rounds, number = effort.rounds, 0
    while number < rounds:
        batch = duel.batch(calls)
        for arm in duel.arms if number % 2 else duel.arms[::-1]:
            replies[arm].append(duel.challenge(arm, batch, ops[arm]))
        number += 1
        if number == 1 and effort.most_rounds:
            idle_s = {op: duel.idle(baseline, batch, op) for op in sorted(set(ops.values()))}
            rounds = max(
                effort.enough_rounds(op, replies[arm][0].wall_s - idle_s[op])
                for arm, op in ops.items()
            )
    singles: list[float] = []
    if costs is not None and calls > 1:
        singles = take_singles(duel, candidate, ops[candidate], singles_in(duel, calls))
    return Taken(
        ops=(ops[candidate], ops[baseline]),
        calls=calls,
        candidate=replies[candidate],
        baseline=replies[baseline],
        costs=costs,
        singles=singles,
    )


def take_alone(
    baseline: Arm,
    where: Layout,
    fresh: Callable[[int], list[Inputs]],
    like: Taken,
    effort: Effort,
    left_s: Callable[[], float],
    await_ends: Callable[[], None],
) -> Alone:
    """The baseline, and the protocol, without any other arm, as `like` was taken.

    `await_ends` waits until the others, which are dying, are gone; what needs no clock is done before.

    A stopped process's kernels go on, and so may what it asked the system for. Beside a candidate, the
    baseline could be made slower, and so could what is subtracted.
    """
    duel = unverified((baseline,), where, fresh, effort, left_s)
    duel.map_all(like.calls)
    batch = duel.batch(like.calls)
    op = like.ops[1]
    if op == "replay":
        duel.capture(baseline, batch)
    await_ends()
    on_a_gpu = like.costs is not None
    if on_a_gpu:
        if op == "run":  # that may have been for want of memory beside the candidate
            op = duel.mode(baseline, batch)
        duel.run(baseline, batch, op)  # once for the caches; on a CPU the first call does not count
    walls: list[float] = []
    idle: dict[str, list[float]] = {op: [] for op in sorted({*like.ops, op})}
    rounds = effort.rounds if on_a_gpu else max(FEWEST_ROUNDS, effort.rounds // 2)
    for _ in range(rounds):
        walls.append(duel.run(baseline, batch, op).undisturbed().wall_s)
        for each, seconds in idle.items():
            seconds.append(duel.idle(baseline, batch, each))
    singles: list[float] = []
    idle_singles: list[float] = []
    if like.singles:
        count = singles_in(duel, like.calls)
        singles = take_singles(duel, baseline, op, count)
        idle_singles = take_singles(duel, baseline, "idle", count)
    return Alone(effort.tolerated, op, walls, idle, singles, idle_singles)


def conclude(taken: Taken, alone: Alone, before: Before | None = None) -> Measured:
    """What follows from the times of two arms, and of one without the other, afterwards and before."""
    ours, theirs = (
        Timed(op, _overhead_s(op, taken, alone, before), taken.calls, replies)
        for op, replies in zip(taken.ops, (taken.candidate, taken.baseline), strict=True)
    )
    if taken.costs is not None and taken.singles:
        steps = Steps(taken.singles, alone.singles, alone.idle_singles)
        singles = singles_of(steps, taken.costs)
        measured = _bounded(_compare(ours, theirs, singles), singles)
    else:
        measured = _compare(ours, theirs, None)
    _, most_s = confidence_interval(alone.baseline)
    overhead_s = _overhead_s(alone.op, taken, alone, before)
    alone_s = (most_s - overhead_s) / taken.calls
    if before is not None:
        _, most_s = confidence_interval(before.baseline)
        alone_s = min(alone_s, most_s - overhead_s / taken.calls)
    return _undisturbed(measured, max(alone_s, LEAST_S) * 1e6, alone.tolerated)


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
        floor = max(resolution / self.calls, LEAST_S)
        return [max((r.wall_s - self.overhead_s) / self.calls, floor) for r in self.replies]

    @property
    def waited(self) -> float:
        """Share of its time in which somebody else had a processor."""
        total_s = math.fsum(r.wall_s for r in self.replies)
        return min(1.0, math.fsum(r.waited_s for r in self.replies) / max(total_s, LEAST_S))

    def undisturbed(self) -> Timed:
        """The same, as if nobody else had had a processor."""
        return replace(self, replies=[reply.undisturbed() for reply in self.replies])


def _overhead_s(op: str, taken: Taken, alone: Alone, before: Before | None) -> float:
    """Seconds of a batch that are the protocol's."""
    if taken.costs is None:
        # A processor may be shared with others: what a disturbed round cost must not be subtracted
        # from an undisturbed one. A GPU is leased.
        earlier = [call_s * taken.calls for call_s in before.idle] if before else []
        return min(*alone.idle[op], *earlier)
    return statistics.median(alone.idle[op]) - taken.costs.launch_s  # there is one launch in it


def _compare(candidate: Timed, baseline: Timed, singles: Singles | None) -> Measured:
    """Others slow down both arms, or so it seems. What is proved takes the baseline's word for it alone: a
    candidate can make itself wait. The figures take both, if it was so beside the baseline."""
    theirs = baseline.undisturbed().call_s
    ours = (candidate.undisturbed() if baseline.waited > BUSY else candidate).call_s
    ratios = [b / a for a, b in zip(ours, theirs, strict=True)]
    _, high = confidence_interval(ratios)
    # Nothing is proved of time in which the candidate may have worked already.
    hidden_s = statistics.median(r.revealing_s for r in candidate.replies)
    proved = [b / (a + hidden_s) for a, b in zip(candidate.call_s, theirs, strict=True)]
    low, _ = confidence_interval(proved)
    reported = [r.reported_us / candidate.calls for r in candidate.replies if r.reported_us]
    return Measured(
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
            revealing_us=hidden_s * 1e6,
            waited=baseline.waited,
            reported_us=tuple(reported),
            candidate_us=tuple(t * 1e6 for t in candidate.call_s),
            baseline_us=tuple(t * 1e6 for t in baseline.call_s),
            singles=singles,
        ),
    )


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


def _undisturbed(measured: Measured, alone_us: float, tolerated: float) -> Measured:
    """The same, but with a baseline that nobody slowed down. What is proved is never more than beside a
    baseline alone; the figure itself is corrected when it was slowed down clearly."""
    share = min(1.0, alone_us / measured.baseline_us)
    factor = share if share * (1 + tolerated) < 1 else 1.0
    return replace(
        measured,
        baseline_alone_us=alone_us,
        speedup=measured.speedup * factor,
        low=measured.low * share,
        high=measured.high * factor,
    )
