"""From a profile to at most five ranked findings, each with its evidence.

A pattern whose metrics are absent is not "fine": it is listed as not measured, with the sections
to capture, and takes one of the five places.
"""

from __future__ import annotations

import math

from ncu import signals
from ncu.patterns import PATTERNS, Pattern
from ncu.report import Evidence, Finding, KernelProfile, Severity

MAX_FINDINGS = 5
_ORDER = {Severity.HIGH: 0, Severity.MEDIUM: 0, Severity.INFO: 1, Severity.LOW: 2}

_UNITS = {
    "registers_per_thread": "registers",
    "static_shared_bytes": "bytes",
    "dynamic_shared_bytes": "bytes",
    "waves_per_sm": "waves",
    "sm_count": "SMs",
    "duration_us": "µs",
}


def held(kernel: KernelProfile) -> dict[str, bool]:
    """Which patterns hold; those that could not be looked at are not in it."""
    scores = {pattern.id: pattern.score(kernel) for pattern in PATTERNS}
    return {name: bool(score) for name, score in scores.items() if score is not None}


def findings(kernel: KernelProfile) -> tuple[Finding, ...]:
    """What holds for this kernel, weightiest first; what could not be looked at, last.

    That a unit is used well comes after what can be changed, and before what hardly matters.
    """
    scored = [(pattern, pattern.score(kernel)) for pattern in PATTERNS]
    holding = sorted(
        ((pattern, score) for pattern, score in scored if score),
        key=lambda item: (_ORDER[item[0].weigh(item[1])], -item[1]),
    )
    unmeasured = [pattern for pattern, score in scored if score is None]
    places = MAX_FINDINGS - bool(unmeasured)
    found = [_finding(kernel, pattern, score) for pattern, score in holding[:places]]
    if unmeasured:
        found.append(_not_measured(unmeasured))
    if not found:
        found.append(_nothing(kernel))
    return tuple(f.model_copy(update={"rank": rank}) for rank, f in enumerate(found, 1))


def _finding(kernel: KernelProfile, pattern: Pattern, score: float) -> Finding:
    title = pattern.title.format(
        limiter=kernel.occupancy_limiter,
        dram=kernel.dram_throughput_pct or 0.0,
        compute=kernel.compute_throughput_pct or 0.0,
        idle=100 * (signals.idle_share(kernel) or 0.0),
        duration=kernel.duration_us or 0.0,
    )
    evidence = (_evidence(kernel, name) for name in pattern.evidence)
    return Finding(
        id=pattern.id,
        title=title,
        severity=pattern.weigh(score),
        evidence=tuple(item for item in evidence if item is not None),
        advice=pattern.advice,
        caveat=pattern.caveat,
        wiki_query=pattern.wiki_query,
    )


def _evidence(kernel: KernelProfile, name: str) -> Evidence | None:
    if name in kernel.metrics:
        metric = kernel.metrics[name]
        return Evidence(metric=name, value=metric.value, unit=metric.unit)
    unit = _UNITS.get(name, "%" if name.endswith("_pct") else "")
    value: float | None
    if name.startswith("stall:"):
        value, unit = signals.stall_share(kernel, name.removeprefix("stall:")), "% of stalls"
        value = value or None
    elif name.startswith("sectors_per_request_"):
        value, unit = signals.sectors_per_request(kernel, name[-2:]), "sectors/request"
    elif name == "atomic_share_pct":
        value, unit = signals.atomic_share(kernel), "% of samples"
    elif name == "blocks":
        value, unit = signals.blocks(kernel), "blocks"
    elif name in type(kernel.launch).model_fields:
        value = getattr(kernel.launch, name)
    else:
        value = getattr(kernel, name, None)
    if value is None or not math.isfinite(value):
        return None
    return Evidence(metric=name, value=value, unit=unit)


def _not_measured(patterns: list[Pattern]) -> Finding:
    sections = sorted({section for pattern in patterns for section in pattern.sections})
    return Finding(
        id="not-measured",
        title="Not measured: " + ", ".join(pattern.id for pattern in patterns),
        severity=Severity.INFO,
        advice="Capture with --set full, or add: "
        + " ".join(f"--section {section}" for section in sections),
        caveat="Absent metrics are not zero: these patterns may well hold.",
    )


def _nothing(kernel: KernelProfile) -> Finding:
    names = ("compute_throughput_pct", "memory_throughput_pct", "achieved_occupancy_pct")
    evidence = (_evidence(kernel, name) for name in names)
    return Finding(
        id="no-pattern",
        title="No known pattern stands out",
        severity=Severity.INFO,
        evidence=tuple(item for item in evidence if item is not None),
        advice="Look at the stall reasons and at NVIDIA's rules, then profile by source line "
        "(--set full --import-source yes).",
        caveat="Several moderate limits can hide each other.",
    )
