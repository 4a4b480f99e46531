"""Calls one at a time on a GPU: what a batch cannot prove.

A batch hands several problems over at once, which measures a call to a fraction of a microsecond, but a
solution may do them all in one launch. So some calls go in lockstep as well: the inputs of each appear
when the outputs of the one before were taken. The two processes' streams wait for each other on the GPU
and the judge's own events take the time, so that no processor's jitter is in it: what is left after
subtracting the same steps without a call repeats within a microsecond. These, and the baseline's, are taken
when no candidate is there that could make them longer. Processes differ in what such a step costs, by some
microseconds, so the difference is measured before the candidate is loaded. A call's time alone is not its
latency in a batch (caches are colder), so it is a bound and no figure: a call that takes longer alone than
in a batch by clearly more than the baseline's does was not done alone in the batch, and then its time alone
counts. And no call takes less than launching a kernel.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from sandbox.judge.arena import Batch
from sandbox.judge.arm import Arm, Reply
from sandbox.judge.duel import Duel
from sandbox.judge.intervals import confidence_interval
from sandbox.judge.models import Singles
from sandbox.runner.device import LAUNCHES

MOST_BYTES = 2 << 30
SETTLING = 2
"""Steps in which the two sides have not yet queued everything."""
LAUNCH_ROUNDS = 5
QUARTILE = 0.25


@dataclass(frozen=True)
class Costs:
    """What the judge knows of two runners since before a candidate was in one of them.

    Attributes:
        switch_s: how many seconds longer an empty step takes in the candidate's runner than in the
            baseline's.
        launch_s: seconds that launching a kernel takes at least, one after the other.
    """

    switch_s: float
    launch_s: float


def measure_costs(duel: Duel) -> Costs:
    """What the pair's runners cost; no candidate is loaded in the first.

    Both do the same beforehand: a runner's first steps take 3 us longer, and one of the two may not be new.
    """
    calls = singles_in(duel, duel.effort.singles)
    duel.map_all(calls)
    one = duel.batch(1)
    launches_s = [_launch_s(duel, arm, one) for arm in duel.arms]
    if duel.most_calls == 1:  # then nothing is taken one at a time
        return Costs(0.0, launches_s[-1])
    batch = duel.batch(calls)
    taken: dict[Arm, list[float]] = {arm: [] for arm in duel.arms}
    for number in range(duel.effort.single_rounds):
        for arm in duel.arms if number % 2 else duel.arms[::-1]:
            taken[arm] += _settled(duel.run_singly(arm, batch, "idle"))
    candidate, baseline = (_usual(taken[arm]) for arm in duel.arms)
    return Costs(candidate - baseline, launches_s[-1])


def _launch_s(duel: Duel, arm: Arm, one: Batch) -> float:
    """`Costs.launch_s`, by an arm's runner."""
    many, single = [], []
    for _ in range(LAUNCH_ROUNDS):
        many.append(math.fsum(duel.run_singly(arm, one, "launches").steps_s))
        single.append(math.fsum(duel.run_singly(arm, one, "idle").steps_s))
    return max(0.0, statistics.median(many) - statistics.median(single)) / LAUNCHES


@dataclass(frozen=True)
class Steps:
    """Seconds of one call at a time.

    Attributes:
        candidate: the protocol's cost included.
        baseline, idle: the same of the baseline and of no call, when no candidate is there.
    """

    candidate: list[float]
    baseline: list[float]
    idle: list[float]


def singles_in(duel: Duel, calls: int) -> int:
    """How many calls to take one at a time, if a batch has so many."""
    return max(2, min(calls, duel.effort.singles, MOST_BYTES // duel.stride))


def take_singles(duel: Duel, arm: Arm, op: str, calls: int) -> list[float]:
    """Seconds of calls one at a time; every output is verified."""
    batch = duel.batch(calls)
    if op == "replay":
        duel.capture(arm, batch, step=1)
    taken: list[float] = []
    for _ in range(duel.effort.single_rounds):
        batch = duel.batch(calls)
        taken += _settled(duel.challenge_singly(arm, batch, op))
    return taken


def singles_of(steps: Steps, costs: Costs) -> Singles:
    """What calls took beyond the protocol."""
    cost = _usual(steps.idle) - costs.launch_s  # an idle step has one launch in it
    return Singles(
        candidate_us=(_usual(steps.candidate) - cost - costs.switch_s) * 1e6,
        baseline_us=(_usual(steps.baseline) - cost) * 1e6,
        error_us=_error_s(steps) * 1e6,
        switch_us=costs.switch_s * 1e6,
        launch_us=costs.launch_s * 1e6,
    )


def _settled(reply: Reply) -> tuple[float, ...]:
    return reply.steps_s[min(SETTLING, len(reply.steps_s) - 1) :]


def _usual(samples: Sequence[float]) -> float:
    """The lower quartile: switches come in two lengths, 3 us apart, and the longer one is the rarer."""
    return sorted(samples)[int(len(samples) * QUARTILE)]


def _error_s(steps: Steps) -> float:
    """How far the two may be off together. A candidate could make its own steps as uncertain as it likes:
    what counts of theirs is no more than what those without it have."""
    baseline = _error(steps.baseline)
    return baseline + min(_error(steps.candidate), max(baseline, _error(steps.idle)))


def _error(samples: Sequence[float]) -> float:
    low, high = confidence_interval(samples, QUARTILE)
    return (high - low) / 2
