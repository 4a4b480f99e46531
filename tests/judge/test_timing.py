"""The statistics: an interval is a function of its samples, and says what they say."""

from __future__ import annotations

import random
import statistics

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.judge.intervals import confidence_interval

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
