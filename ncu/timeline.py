"""What PM sampling shows: how a kernel's activity rises, holds and ends. Pure functions on series.

Each series of a report comes from a replay pass of its own, so series are read one by one: they do not
share a clock. Below `MIN_SAMPLES` nothing is said.
"""

from __future__ import annotations

import itertools
import re
import statistics
from collections.abc import Mapping, Sequence

from ncu.report import Series, Timeline

MIN_SAMPLES = 20
COLUMNS = 40
ACTIVE_SHARE = 0.05
PLATEAU_SHARE = 0.8
SAWTOOTH_VARIATION = 0.35
SAWTOOTH_PCT = 10.0
SAWTOOTH_SWINGS = 6
_BARS = "▁▂▃▄▅▆▇█"

# Names by release: `TPC.TriageCompute.X` (2025), `pmsampling:X` (2026).
_PREFIX = r"(?:pmsampling:|(?:.*\.)?TriageCompute\.)"
SERIES = {
    "active SMs": re.compile(_PREFIX + r"sm__cycles_active\.avg"),
    "instructions": re.compile(
        _PREFIX + r"sm__inst_executed(?:_realtime)?\.avg\.pct_of_peak_sustained_elapsed"
    ),
    "tensor cores": re.compile(
        _PREFIX + r"sm__pipe_tensor_cycles_active(?:_realtime)?\.avg\.pct_of_peak_sustained_elapsed"
    ),
    "DRAM": re.compile(_PREFIX + r"dramc?__throughput\.avg\.pct_of_peak_sustained_elapsed"),
}


def timeline(values: Mapping[str, Sequence[float]], interval_us: float) -> Timeline | None:
    """Summarise the series that were found; None without any.

    Args:
        values: samples by the names of `SERIES`, in order of time.
        interval_us: between two samples.
    """
    found = [
        series
        for name, samples in values.items()
        if (series := summarise(name, samples, interval_us)) is not None
    ]
    if not found:
        return None
    longest = max(series.samples for series in found)
    note = ""
    if longest < MIN_SAMPLES:
        note = (
            f"Too few samples ({longest}, {interval_us:g} µs apart): nothing can be said about a "
            "kernel this short. Capture with a smaller --pm-sampling-interval."
        )
    return Timeline(interval_us=interval_us, series=tuple(found), note=note)


def summarise(name: str, samples: Sequence[float], interval_us: float) -> Series | None:
    """One series; None if it never was active."""
    most = max(samples, default=0.0)
    if most <= 0:
        return None
    busy = [i for i, value in enumerate(samples) if value >= ACTIVE_SHARE * most]
    window = [max(0.0, value) for value in samples[busy[0] : busy[-1] + 1]]
    plateau = statistics.median(window)
    high = [i for i, value in enumerate(window) if value >= PLATEAU_SHARE * plateau]
    enough = len(window) >= MIN_SAMPLES
    return Series(
        name=name,
        samples=len(window),
        plateau=plateau,
        ramp_us=high[0] * interval_us if enough else None,
        tail_us=(len(window) - 1 - high[-1]) * interval_us if enough else None,
        sawtooth=_sawtooth(window[high[0] : high[-1] + 1]) if enough else None,
        plot=_plot(window, most),
    )


def _sawtooth(middle: Sequence[float]) -> bool:
    """Whether activity swings around its mean, again and again: a pipeline with bubbles."""
    mean = statistics.fmean(middle)
    if len(middle) < MIN_SAMPLES or mean < SAWTOOTH_PCT:
        return False  # noise around next to nothing
    above = [value > mean for value in middle]
    swings = sum(1 for a, b in itertools.pairwise(above) if a != b)
    return statistics.pstdev(middle) / mean >= SAWTOOTH_VARIATION and swings >= SAWTOOTH_SWINGS


def _plot(window: Sequence[float], most: float) -> str:
    """Means of at most `COLUMNS` stretches, as bars from 0 to the highest sample."""
    columns = min(COLUMNS, len(window))
    edges = [round(i * len(window) / columns) for i in range(columns + 1)]
    means = [statistics.fmean(window[a:b]) for a, b in itertools.pairwise(edges)]
    top = len(_BARS) - 1
    return "".join(_BARS[min(top, round(top * mean / most))] for mean in means)
