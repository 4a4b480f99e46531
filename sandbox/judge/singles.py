"""Calls one at a time on a GPU: what a batch cannot prove.

A batch hands several problems over at once, which measures a call to a fraction of a microsecond, but a
solution may do them all in one launch. So some calls go in lockstep as well: the inputs of each appear
when the outputs of the one before were taken. That costs more than most kernels take, and what is left
after subtracting it is good to a microsecond or two: too coarse for a figure, enough for a bound. A call
that takes much longer alone than in a batch, where the baseline's does not, was not done alone in the
batch; then its time alone counts. And no call takes less than launching a kernel.
"""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from sandbox.judge.arm import Arm
from sandbox.judge.duel import Duel
from sandbox.judge.intervals import confidence_interval
from sandbox.judge.models import Singles

ROUNDS = 4
MOST_CALLS = 32
MOST_BYTES = 256 << 20


def measure_singles(duel: Duel, op: str, calls: int, overhead_s: float) -> Singles:
    """Take calls of both arms one at a time, in alternation; every output is verified.

    Args:
        duel: the candidate and the baseline, in this order, mapped for `calls` calls.
        op: as in the batches.
        calls: of a batch.
        overhead_s: what the protocol costs with a batch.
    """
    candidate, baseline = duel.arms
    count = max(2, min(calls, MOST_CALLS, MOST_BYTES // duel.stride))
    if op == "replay":
        batch = duel.batch(count)
        for arm in duel.arms:
            duel.challenge(arm, batch, "capture", step=1)
    idle: list[float] = []
    taken: dict[Arm, list[float]] = {candidate: [], baseline: []}
    for number in range(ROUNDS):
        batch = duel.batch(count)
        # The first step has the GPU's switch to the runner in it.
        idle += duel.run(baseline, batch, "idle", step=1).steps_s[1:]
        for arm in duel.arms if number % 2 == 0 else duel.arms[::-1]:
            taken[arm] += duel.challenge(arm, batch, op, step=1).steps_s[1:]
    launches = [duel.run(baseline, duel.batch(calls), "launches").wall_s for _ in range(3)]
    cost = statistics.median(idle)
    return Singles(
        candidate_us=(statistics.median(taken[candidate]) - cost) * 1e6,
        baseline_us=(statistics.median(taken[baseline]) - cost) * 1e6,
        error_us=(_error(taken[candidate]) + _error(taken[baseline])) * 1e6,
        launch_us=max(0.0, min(launches) - overhead_s) / calls * 1e6,
    )


def _error(samples: Sequence[float]) -> float:
    low, high = confidence_interval(samples)
    return (high - low) / 2
