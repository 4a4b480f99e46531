"""What samples prove, whatever their distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95


def confidence_interval(samples: Sequence[float], quantile: float = 0.5) -> tuple[float, float]:
    """A 95 % interval of the median, or of another quantile, from the order of the samples alone.

    Exact for any distribution: as many of n samples lie below a quantile as n throws of a coin show
    heads, if the coin is as biased as the quantile says. Where samples are too few to prove as much, the
    smallest or the largest stands for the end that they cannot prove.
    """
    ordered, n = sorted(samples), len(samples)
    below = _rank(n, quantile)
    above = _rank(n, 1 - quantile)
    return ordered[below - 1], ordered[n - above]


def _rank(n: int, quantile: float) -> int:
    """The largest k, but at least 1, of which the k-th smallest of n samples is still proven to lie below
    the quantile."""
    fewer, k = 0.0, 0
    while k < n:
        fewer += math.comb(n, k) * quantile**k * (1 - quantile) ** (n - k)
        if fewer > (1 - CONFIDENCE) / 2:
            break
        k += 1
    return max(k, 1)
