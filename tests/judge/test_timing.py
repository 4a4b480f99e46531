"""The statistics: an interval is a function of its samples, and says what they say."""

from __future__ import annotations

import math
import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.judge.arm import Reply
from sandbox.judge.duel import Effort
from sandbox.judge.intervals import confidence_interval
from sandbox.judge.models import BUSY, Singles
from sandbox.judge.singles import Costs, Steps, singles_of
from sandbox.judge.timing import GPU_CLOCK_S, Alone, Before, Measured, Taken, Timed, conclude

ratios = st.lists(st.floats(0.1, 10.0), min_size=4, max_size=24)


@settings(max_examples=25, deadline=None)
@given(ratios)
def test_the_interval_holds_the_median(samples: list[float]) -> None:
    low, high = confidence_interval(samples)
    assert min(samples) <= low <= statistics.median(samples) <= high <= max(samples)
    assert confidence_interval(samples) == (low, high)


def test_clear_differences_exclude_one_and_noise_does_not() -> None:
    low, _ = confidence_interval([1.5, 1.52, 1.49, 1.51, 1.5, 1.48, 1.53, 1.5])
    assert low > 1.4
    low, high = confidence_interval([0.9, 1.1, 0.95, 1.05, 1.02, 0.98, 1.08, 0.93])
    assert low < 1 < high


@pytest.mark.parametrize("count", [6, 7, 12, 16, 40])
def test_the_interval_holds_the_median_as_often_as_it_says(count: int) -> None:
    """Of a skewed distribution, as latencies have one; its median is 1."""
    generator = random.Random(count)
    held = 0
    for _ in range(2000):
        low, high = confidence_interval([generator.lognormvariate(0, 1) for _ in range(count)])
        held += low <= 1 <= high
    assert held / 2000 > 0.94


def test_the_interval_holds_another_quantile_too() -> None:
    generator = random.Random(0)
    found = [
        confidence_interval([generator.random() for _ in range(40)], 0.25) for _ in range(2000)
    ]
    assert sum(low <= 0.25 <= high for low, high in found) / 2000 > 0.94
    assert statistics.fmean(high - low for low, high in found) < 0.35


microseconds = st.floats(0.05, 1e5)


@settings(max_examples=100, deadline=None)
@given(microseconds, microseconds, microseconds, microseconds, st.floats(0, 5))
def test_calls_one_at_a_time_never_make_a_latency_smaller(
    batch: float, baseline: float, alone: float, baseline_alone: float, launch: float
) -> None:
    singles = Singles(
        candidate_us=alone, baseline_us=baseline_alone, error_us=0.5, launch_us=launch
    )
    latency, bound = singles.bound(batch, baseline)
    assert latency >= max(batch, launch)
    assert (bound is None) == (latency == batch)


def test_calls_done_together_cost_what_they_take_alone() -> None:
    singles = Singles(candidate_us=10.0, baseline_us=11.0, error_us=0.5, launch_us=1.5)
    assert singles.bound(0.2, 9.5) == (8.5, "single_call")
    assert singles.bound(8.3, 9.5) == (8.3, None)  # colder caches, as for the baseline
    quick = Singles(candidate_us=1.6, baseline_us=2.0, error_us=0.5, launch_us=1.5)
    assert quick.bound(0.9, 1.6) == (1.5, "launch")


def steps(alone_s: float, noise_s: float) -> list[float]:
    """Of calls one at a time, two in three of which take longer."""
    idle_s = 3e-4
    return [idle_s + alone_s + (noise_s if number % 3 else number * 1e-8) for number in range(24)]


@given(st.floats(0, 1e-2))
def test_a_candidate_cannot_hide_more_by_being_irregular(noise_s: float) -> None:
    """Its calls take 0.1 us together and 11 alone, the baseline's 8.7; how irregular they are is up to it."""
    others = steps(9e-6, 0.0), steps(0.0, 0.0)
    singles = singles_of(Steps(steps(11e-6, noise_s), *others), Costs(0.0, 1e-6))
    latency, bound = singles.bound(0.1, 8.7)
    assert bound == "single_call"
    assert latency > 0.9 * 11


def test_a_baseline_that_could_not_be_recorded_beside_a_candidate_counts_as_alone() -> None:
    """Eagerly, beside it, it took 40 us; as a graph, without it, it takes 9, as the candidate does."""
    calls, idle_s = 10, 3e-4
    eager, graph = (Reply(idle_s + calls * call_s, (), None) for call_s in (40e-6, 9e-6))
    taken = Taken(("replay", "run"), calls, [graph] * 6, [eager] * 6, Costs(0.0, 0.0), singles=[])
    idle = {"run": [idle_s] * 3, "replay": [idle_s] * 3}
    found = conclude(taken, Alone(0.05, "replay", [graph.wall_s] * 6, idle, [], []))
    assert found.speedup == pytest.approx(1.0, rel=1e-3)
    assert found.low == pytest.approx(1.0, rel=1e-3)


def test_short_batches_are_repeated_more_often() -> None:
    seconds = {"run": 0.04, "replay": 0.002}
    effort = Effort(rounds=12, batch_s=seconds, most_calls=1, most_bytes=1, most_rounds=48)
    assert effort.enough_rounds("run", 0.08) == 12
    assert effort.enough_rounds("run", 0.02) == 24
    assert effort.enough_rounds("replay", 0.02) == 12
    assert effort.enough_rounds("replay", 0.001) == 24
    assert effort.enough_rounds("run", 0.0) == 48
    fixed = Effort(rounds=6, batch_s=seconds, most_calls=1, most_bytes=1)
    assert fixed.enough_rounds("run", 0.001) == 6


def replies(*walls_s: float) -> list[Reply]:
    return [Reply(wall_s, (wall_s,), None) for wall_s in walls_s]


def test_what_the_protocol_costs_is_no_part_of_a_call() -> None:
    timed = Timed("run", overhead_s=0.1, calls=4, replies=replies(0.5, 0.9))
    assert timed.call_s == pytest.approx([0.1, 0.2])


@settings(max_examples=50, deadline=None)
@given(
    st.sampled_from(["run", "replay"]),
    st.floats(0, 1),
    st.integers(1, 512),
    st.lists(st.floats(0, 1), min_size=1, max_size=5),
)
def test_no_call_is_faster_than_the_clock_can_tell(
    op: str, overhead_s: float, calls: int, walls_s: list[float]
) -> None:
    timed = Timed(op, overhead_s, calls, replies(*walls_s))
    finest = GPU_CLOCK_S if op == "replay" else overhead_s / 20
    for wall_s, call_s in zip(walls_s, timed.call_s, strict=True):
        assert call_s >= max(finest / calls, 1e-7)
        assert call_s >= (wall_s - overhead_s) / calls


def measured(beside_s: float, alone_s: float, tolerated: float) -> tuple[float, float, float]:
    """Of candidate and baseline that take equally long side by side: speedup, and its interval."""
    calls, idle_s = 10, 1e-4
    reply = Reply(idle_s + calls * beside_s, (), None)
    taken = Taken(("run", "run"), calls, [reply] * 6, [reply] * 6, None, [])
    alone = Alone(tolerated, "run", [idle_s + calls * alone_s] * 3, {"run": [idle_s] * 3}, [], [])
    found = conclude(taken, alone)
    return found.speedup, found.low, found.high


@given(st.floats(1e-5, 1e-2), st.floats(0.05, 4.0))
def test_nothing_is_proved_beside_a_baseline_that_was_slowed_down(
    beside_s: float, share: float
) -> None:
    for tolerated in (0.5, 0.05):
        speedup, low, high = measured(beside_s, share * beside_s, tolerated)
        assert low == pytest.approx(min(1.0, share), rel=1e-3)
        corrected = share < 1 / (1 + tolerated)
        assert speedup == high == pytest.approx(share if corrected else 1.0, rel=1e-3)


@given(st.floats(1e-5, 1e-2), st.floats(1.6, 4.0))
def test_a_baseline_that_is_slow_beside_a_candidate_and_after_it_counts_as_before(
    call_s: float, times: float
) -> None:
    """What somebody leaves to the system goes on when he is stopped, and when he is dead."""
    idle_s, calls = 1e-4, 10
    ours, theirs = (Reply(idle_s + calls * each, (), None) for each in (call_s, times * call_s))
    taken = Taken(("run", "run"), calls, [ours] * 6, [theirs] * 6, None, [])
    alone = Alone(0.5, "run", [theirs.wall_s] * 3, {"run": [idle_s] * 3}, [], [])
    before = Before([ours.wall_s / calls] * 3, [idle_s / calls] * 3)
    assert conclude(taken, alone).speedup == pytest.approx(times, rel=1e-3)
    found = conclude(taken, alone, before)
    assert found.speedup == pytest.approx(1.0, rel=1e-3)
    assert found.low == pytest.approx(1.0, rel=1e-3)
    dear = Taken(("run", "run"), calls, [ours] * 6, [ours] * 6, None, [])
    alone = Alone(0.5, "run", [ours.wall_s] * 3, {"run": [2 * idle_s] * 3}, [], [])
    assert conclude(dear, alone, before).latency_us == pytest.approx(call_s * 1e6)


@given(st.floats(1e-6, 1e-4), st.floats(0.0, 1e-4))
def test_time_in_which_inputs_appear_counts_in_what_is_proved(
    call_s: float, appear_s: float
) -> None:
    reply = Reply(1e-4 + 10 * call_s, (), None, appear_s)
    taken = Taken(("run", "run"), 10, [reply] * 6, [reply] * 6, None, [])
    alone = Alone(0.5, "run", [reply.wall_s] * 3, {"run": [1e-4] * 3}, [], [])
    found = conclude(taken, alone)
    assert found.speedup == pytest.approx(1.0)
    assert found.low == pytest.approx(call_s / (call_s + appear_s), rel=1e-2)


def waiting(call_s: float, waited_s: float, slow: int) -> Reply:
    """A batch of ten calls, `slow` of which waited that long in all."""
    steps = [call_s + (waited_s / slow if at < slow else 0.0) for at in range(10)]
    return Reply(sum(steps), tuple(steps), None, waited_s=waited_s)


def without_others(candidate: Reply, baseline: Reply) -> Measured:
    """The same without the protocol's cost, and an undisturbed baseline alone."""
    taken = Taken(("run", "run"), 10, [candidate] * 6, [baseline] * 6, None, [])
    return conclude(taken, Alone(4.0, "run", [baseline.wall_s] * 3, {"run": [0.0] * 3}, [], []))


@given(st.floats(1e-5, 1e-2), st.floats(1.0, 100.0), st.integers(1, 4))
def test_who_else_runs_does_not_move_a_figure(call_s: float, times: float, slow: int) -> None:
    """Up to a hundred times as long, in fewer than half of the calls, beside both."""
    disturbed = waiting(call_s, times * call_s, slow)
    found = without_others(disturbed, disturbed)
    assert found.speedup == found.high == pytest.approx(1.0)
    assert found.latency_us == pytest.approx(call_s * 1e6)
    assert found.low <= 1.0  # it may have been the candidate that waited for itself
    assert found.samples.waited > BUSY
    assert found.samples.candidate_us == found.samples.baseline_us  # as it was
    assert found.samples.baseline_us[0] == pytest.approx(disturbed.wall_s / 10 * 1e6)


@given(st.floats(1e-5, 1e-2), st.floats(0.0, 100.0), st.integers(1, 4))
def test_a_candidate_that_waits_for_itself_excuses_nothing(
    call_s: float, times: float, slow: int
) -> None:
    disturbed = waiting(call_s, times * call_s, slow)
    found = without_others(disturbed, waiting(call_s, 0.0, 1))
    assert found.speedup == found.low == pytest.approx(10 / (10 + times))


@given(st.floats(1e-5, 1e-2), st.floats(0.0, 100.0), st.integers(1, 4))
def test_a_baseline_that_waited_proves_nothing(call_s: float, times: float, slow: int) -> None:
    found = without_others(waiting(call_s, 0.0, 1), waiting(call_s, times * call_s, slow))
    assert found.low <= found.speedup <= 1.0 + 1e-9


@given(st.lists(st.floats(0, 1), min_size=12, max_size=12), st.floats(0, 1))
def test_every_speedup_is_a_positive_number(walls_s: list[float], idle_s: float) -> None:
    each = replies(*walls_s)
    taken = Taken(("run", "run"), 10, each[:6], each[6:], None, [])
    found = conclude(taken, Alone(0.5, "run", walls_s[:3], {"run": [idle_s] * 3}, [], []))
    assert 0 < found.low <= found.speedup < math.inf
    assert found.baseline_alone_us is not None and found.baseline_alone_us > 0
