"""Calls one at a time on a GPU: what a batch cannot prove.

A batch hands several problems over at once, which measures a call to a fraction of a microsecond, but a
solution may do them all in one launch. So some calls go in lockstep as well: the inputs of each appear
when the outputs of the one before were taken. The two processes' streams wait for each other on the GPU
and the judge's own events take the time, so that no processor's jitter is in it: what is left after
subtracting the same steps without a call repeats within a microsecond. It is not the latency in a batch
(caches are colder), so it is a bound and no figure: a call that takes longer alone than in a batch by
clearly more than the baseline's does was not done alone in the batch, and then its time alone counts.
And no call takes less than launching a kernel.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sandbox.judge.arm import Arm
from sandbox.judge.duel import Duel, Effort
from sandbox.judge.intervals import confidence_interval
from sandbox.judge.models import Singles
from sandbox.runner.device import LAUNCHES

MOST_BYTES = 2 << 30
SETTLING = 2
"""Steps in which the two sides have not yet queued everything."""
LAUNCH_ROUNDS = 3


def measure_singles(duel: Duel, ops: dict[Arm, str], calls: int, effort: Effort) -> Singles:
    """Take calls of both arms one at a time, in alternation; every output is verified.

    Args:
        duel: the candidate and the baseline, in this order, mapped for `calls` calls.
        ops: as in the batches.
        calls: of a batch, at least 2.
        effort: how many calls to take, and how often.
    """
    candidate, baseline = duel.arms
    count = max(2, min(calls, effort.singles, MOST_BYTES // duel.stride))
    settling = min(SETTLING, count - 1)
    batch = duel.batch(count)
    for arm in duel.arms:
        if ops[arm] == "replay":
            duel.capture_each(arm, batch)
    idle: list[float] = []
    taken: dict[Arm, list[float]] = {candidate: [], baseline: []}
    for number in range(effort.single_rounds):
        idle += duel.run(baseline, batch, "idle", clocked=True).steps_s[settling:]
        for arm in duel.arms if number % 2 == 0 else duel.arms[::-1]:
            batch = duel.batch(count)
            taken[arm] += duel.challenge(arm, batch, ops[arm], clocked=True).steps_s[settling:]
    launch_s = _launch(duel, baseline)
    # An idle step has one launch in it.
    cost = statistics.median(idle) - launch_s
    return Singles(
        candidate_us=(statistics.median(taken[candidate]) - cost) * 1e6,
        baseline_us=(statistics.median(taken[baseline]) - cost) * 1e6,
        error_us=(_error(taken[candidate]) + _error(taken[baseline])) * 1e6,
        launch_us=launch_s * 1e6,
    )


def _launch(duel: Duel, arm: Arm) -> float:
    """Seconds that launching a kernel takes at least, one after the other."""
    one = duel.batch(1)
    many, single = [], []
    for _ in range(LAUNCH_ROUNDS):
        many.append(duel.run(arm, one, "launches").wall_s)
        single.append(duel.run(arm, one, "idle").wall_s)
    return max(0.0, statistics.median(many) - statistics.median(single)) / LAUNCHES


def _error(samples: Sequence[float]) -> float:
    low, high = confidence_interval(samples)
    return (high - low) / 2
