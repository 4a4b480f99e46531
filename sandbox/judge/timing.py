"""Time from outside: how long m fresh problems take, minus what the protocol costs.

A batch of m calls gets inputs that were out of reach before the clock started, and every output is
verified after it stopped, so the wall time of a batch bounds the work from above without trusting the
runner. The clock starts before anything in the runner may run and stops when nothing in it can: an
answer that comes before the work is done gains nothing. What is subtracted is the protocol's own cost
(waking, one round trip, stopping), measured in the *baseline's* runner, where the candidate has no
say. Only one of the two can run at a time, and they alternate (ABBA), so that a drift of the machine
falls on both.

On a GPU the calls are recorded as a CUDA graph where both arms allow it, and each batch replays it on
new memory: that times the kernels and not the interpreter that launches them. Otherwise both are
called eagerly.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy

from sandbox.errors import CandidateFailure
from sandbox.judge.arena import Batch, Layout
from sandbox.judge.arm import Arm, Reply
from sandbox.judge.inputs import Inputs
from sandbox.judge.models import Samples

CONFIDENCE = 0.95
RESAMPLES = 2000

PROBE_CALLS = 4
ALONE_ROUNDS = 5


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
    arms = (candidate, baseline)

    def fresh_batch(calls: int) -> Batch:
        return Batch(where, [fresh() for _ in range(calls)])

    def challenge(arm: Arm, batch: Batch, op: str) -> Reply:
        reply = arm.run(batch, timeout_s, op)
        verify(arm, batch)
        return reply

    def map_all(calls: int) -> None:
        for arm in arms:
            arm.map(where, calls, timeout_s)

    map_all(PROBE_CALLS)
    probe = fresh_batch(PROBE_CALLS)
    # The first time, code and memory are cold.
    single = min(challenge(arm, probe, "run").wall_s for arm in arms * 2) / PROBE_CALLS
    most = max(1, min(effort.most_calls, effort.most_bytes // where.stride))
    calls = max(1, min(most, math.ceil(effort.batch_s / max(single, 1e-6))))
    map_all(calls)
    op = "run"
    if where.device.type == "cuda" and _capturable(arms, fresh_batch(calls), challenge):
        op = "replay"
    replies: dict[bool, list[Reply]] = {True: [], False: []}
    costs: list[float] = []
    for number in range(effort.rounds):
        batch = fresh_batch(calls)
        costs.append(baseline.run(batch, timeout_s, "idle").wall_s)
        for arm in arms if number % 2 == 0 else arms[::-1]:
            replies[arm is candidate].append(challenge(arm, batch, op))
    return _summary("graph" if op == "replay" else "eager", calls, costs, replies)


def measure_alone(
    baseline: Arm,
    where: Layout,
    fresh: Callable[[], Inputs],
    like: Samples,
    mode: str | None,
    timeout_s: float,
) -> float:
    """The baseline's latency in microseconds without any other arm, taken as `like` was."""
    calls = like.calls_per_batch
    baseline.map(where, calls, timeout_s)
    if mode == "graph":
        baseline.run(Batch(where, [fresh() for _ in range(calls)]), timeout_s, "capture")
    taken = []
    for _ in range(ALONE_ROUNDS):
        batch = Batch(where, [fresh() for _ in range(calls)])
        cost = baseline.run(batch, timeout_s, "idle").wall_s
        reply = baseline.run(batch, timeout_s, "replay" if mode == "graph" else "run")
        taken.append((reply.wall_s - cost) / calls)
    return statistics.median(taken) * 1e6


def _capturable(
    arms: Sequence[Arm], batch: Batch, challenge: Callable[[Arm, Batch, str], Reply]
) -> bool:
    """Whether both arms' calls can be recorded as a graph that gives the right outputs again.

    A solution that waits for the GPU or decides on the host cannot; it is then timed eagerly, which
    is no fault.
    """
    try:
        for arm in arms:
            challenge(arm, batch, "capture")
            challenge(arm, batch, "replay")
    except (CandidateFailure, Wrong):
        return False
    return True


def _summary(
    mode: str, calls: int, costs: Sequence[float], replies: dict[bool, list[Reply]]
) -> Measured:
    overhead = statistics.median(costs)
    times = {
        arm: [(reply.wall_s - overhead) / calls for reply in some] for arm, some in replies.items()
    }
    floor = max(overhead / calls / 20, 1e-7)  # what this clock cannot resolve
    ours = [max(t, floor) for t in times[True]]
    theirs = [max(t, floor) for t in times[False]]
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
        verified_calls=calls * len(costs),
        samples=Samples(
            calls_per_batch=calls,
            overhead_us=overhead * 1e6,
            reported_us=tuple(reported),
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
