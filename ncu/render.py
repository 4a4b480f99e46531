"""A profile as text for a language model: the findings first, at most 4,000 bytes.

Kernel names and rule texts come from the report and are untrusted: control characters are dropped
and lengths capped, so that a name cannot pose as another line.
"""

from __future__ import annotations

from collections.abc import Sequence

from ncu.findings import findings
from ncu.report import Evidence, Finding, HotSpot, KernelProfile, ReportSummary, RuleKind, StallUnit

MAX_BYTES = 4_000
NOTE = "profiled, not a benchmark number"
_CUT = "\n[cut: ask for one kernel by name]"


def render_report(report: ReportSummary, *, kernel: str | None = None) -> str:
    """The longest kernels of a report, as many as fit; in full when one is asked for."""
    chosen = [k for k in report.kernels if kernel is None or kernel in k.name]
    chosen.sort(key=lambda k: -(k.duration_us or 0.0))
    lines = [
        f"{len(report.kernels)} kernels on {_clean(report.device or 'an unknown device', 80)}"
        f" (ncu {report.ncu_version or 'version unknown'})"
    ]
    lines += [f"! {_clean(warning, 200)}" for warning in report.warnings]
    if not chosen:
        names = ", ".join(_clean(k.short_name, 60) for k in report.kernels[:8])
        return _fit([*lines, f"No kernel matches. Kernels: {names}"])
    if len(chosen) == 1:
        return _fit([*lines, *_kernel_lines(chosen[0])])
    lines += ["", *_shares(chosen)]
    for item in chosen:
        block = ["", *_kernel_lines(item)]
        if _size([*lines, *block]) > MAX_BYTES - len(_CUT):
            lines.append(_CUT.strip())
            break
        lines += block
    return _fit(lines)


def render_kernel(kernel: KernelProfile) -> str:
    """One kernel: headline, launch, speed of light, occupancy, stalls, findings."""
    return _fit(_kernel_lines(kernel))


def _shares(kernels: Sequence[KernelProfile]) -> list[str]:
    total = sum(k.duration_us or 0.0 for k in kernels)
    lines = []
    for k in kernels[:10]:
        share = f"{100 * (k.duration_us or 0.0) / total:.0f} %" if total else "?"
        lines.append(f"- {_clean(k.short_name, 60)}: {share}, {findings(k)[0].id}")
    if len(kernels) > 10:
        lines.append(f"- and {len(kernels) - 10} more")
    return lines


def _kernel_lines(k: KernelProfile) -> list[str]:
    launch = k.launch
    lines = [
        f"## {_clean(k.name, 160)}",
        f"{_number(k.duration_us, 'µs', 1)} ({NOTE})",
        f"launch: grid {_dims(launch.grid)}, block {_dims(launch.block)}, "
        f"{_number(launch.registers_per_thread, 'registers', 0)}, shared "
        f"{_number(launch.static_shared_bytes, 'B', 0)} static + "
        f"{_number(launch.dynamic_shared_bytes, 'B', 0)} dynamic, "
        f"{_number(launch.waves_per_sm, 'waves', 2)}",
        f"speed of light: compute {_pct(k.compute_throughput_pct)}, "
        f"memory {_pct(k.memory_throughput_pct)}, DRAM {_pct(k.dram_throughput_pct)}; "
        f"hits: L1 {_pct(k.l1_hit_pct)}, L2 {_pct(k.l2_hit_pct)}",
        f"occupancy: {_pct(k.achieved_occupancy_pct)} of {_pct(k.theoretical_occupancy_pct)}, "
        f"limited by {k.occupancy_limiter or 'not measured'}",
        f"stalls: {_stalls(k)}",
        *_roofline(k),
        *_hottest(k),
    ]
    lines += [f"! {_clean(warning, 200)}" for warning in k.warnings]
    lines += [line for finding in findings(k) for line in _finding_lines(finding)]
    estimated = [r for r in k.rules if r.kind is RuleKind.OPTIMIZATION and r.estimated_speedup_pct]
    estimated.sort(key=lambda r: -(r.estimated_speedup_pct or 0.0))
    if estimated:
        lines.append("NVIDIA's estimates (they do not add up):")
        lines += [
            f"- {_clean(r.title or r.name, 80)}: {r.estimated_speedup_pct:.0f} % "
            f"{r.scope or 'scope unknown'}"
            for r in estimated[:4]
        ]
    return lines


def _finding_lines(finding: Finding) -> list[str]:
    shown = ", ".join(_evidence(item) for item in finding.evidence)
    lines = [f"{finding.rank}. [{finding.severity}] {_clean(finding.title, 200)}"]
    if shown:
        lines.append(f"   evidence: {shown}")
    lines.append(f"   try: {finding.advice}")
    if finding.caveat:
        lines.append(f"   but: {finding.caveat}")
    return lines


def _evidence(item: Evidence) -> str:
    return f"{item.metric} {item.value:.4g} {_clean(item.unit, 20)}".strip()


def _stalls(k: KernelProfile) -> str:
    if not k.stalls:
        return "not measured"
    unit = "cycles/issue" if k.stalls[0].unit is StallUnit.CYCLES_PER_ISSUE else "% of samples"
    parts = (f"{_clean(s.reason, 40)} {s.value:.3g} ({_pct(s.share_pct)})" for s in k.stalls)
    return f"{', '.join(parts)} [{unit}]"


def _roofline(k: KernelProfile) -> list[str]:
    r = k.roofline
    if r is None:
        return []
    intensity = "no" if r.ops_per_byte is None else f"{r.ops_per_byte:.3g}"
    return [
        f"roofline: {intensity} operations a byte of DRAM (ridge {r.ridge_ops_per_byte:.3g}), "
        f"{r.side} side, at {_pct(r.roof_pct)} of the roof ({r.kind})"
    ]


def _hottest(k: KernelProfile) -> list[str]:
    if k.hot is None:
        return []
    spots = k.hot.lines[:3] or k.hot.instructions[:3]
    return [f"hot: {'; '.join(_spot(spot) for spot in spots)}"]


def _spot(spot: HotSpot) -> str:
    reasons = ", ".join(f"{_clean(reason, 30)} {_pct(pct)}" for reason, pct in spot.reasons.items())
    return f"{_clean(spot.where, 100)} {_pct(spot.share_pct)} of samples ({reasons})"


def _dims(dims: tuple[int, int, int] | None) -> str:
    return "×".join(str(d) for d in dims) if dims else "not measured"


def _number(value: float | None, unit: str, digits: int) -> str:
    return "not measured" if value is None else f"{value:.{digits}f} {unit}"


def _pct(value: float | None) -> str:
    return _number(value, "%", 0)


def _clean(text: str, most: int) -> str:
    printable = "".join(c if c.isprintable() else " " for c in text)
    return printable if len(printable) <= most else printable[: most - 1] + "…"


def _size(lines: Sequence[str]) -> int:
    return len("\n".join(lines).encode())


def _fit(lines: Sequence[str]) -> str:
    text = "\n".join(lines).encode()
    if len(text) <= MAX_BYTES:
        return text.decode()
    kept = text[: MAX_BYTES - len(_CUT)]
    return kept.decode(errors="ignore").rsplit("\n", 1)[0] + _CUT
