"""What samples prove, whatever their distribution."""

from __future__ import annotations

import math
from collections.abc import Sequence

CONFIDENCE = 0.95


def confidence_interval(ratios: Sequence[float]) -> tuple[float, float]:
    """A 95 % interval of the median, from the order of the samples alone.

    Exact for any distribution: the k-th smallest of n samples lies above the median as often as n
    throws of a coin show fewer than k heads. Fewer than six samples cannot prove as much; they give
    the smallest and the largest.
    """
    ordered, n = sorted(ratios), len(ratios)
    below, k = 0.0, 0
    while (below := below + math.comb(n, k) / 2**n) <= (1 - CONFIDENCE) / 2:
        k += 1
    k = max(k, 1)
    return ordered[k - 1], ordered[n - k]
