"""Two profiles of what should be the same work: what got better, what got worse. Pure functions.

Durations are profiled ones: they support or refute a hypothesis about a bottleneck, and are no
benchmark.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Literal

from ncu.findings import held
from ncu.report import Delta, KernelProfile, ProfileComparison

NOISE_PCT = 2.0
Verdict = Literal["supported", "refuted", "unresolved"]

# Quantity, and whether more of it is better; None: it depends.
_QUANTITIES: tuple[tuple[str, str, bool | None], ...] = (
    ("duration_us", "µs", False),
    ("compute_throughput_pct", "%", None),
    ("memory_throughput_pct", "%", None),
    ("dram_throughput_pct", "%", None),
    ("l1_hit_pct", "%", True),
    ("l2_hit_pct", "%", True),
    ("achieved_occupancy_pct", "%", None),
)
_METRICS: tuple[tuple[str, bool | None], ...] = (
    ("dram__bytes_read.sum", False),
    ("dram__bytes_write.sum", False),
    ("l1tex__t_sectors_pipe_lsu_mem_global_op_ld.sum", False),
    ("l1tex__t_sectors_pipe_lsu_mem_global_op_st.sum", False),
    ("l1tex__t_sectors_pipe_lsu_mem_local_op_ld.sum", False),
    ("l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum", False),
)


def compare(
    before: KernelProfile, after: KernelProfile, expected_gone: str | None = None
) -> ProfileComparison:
    """What changed from one profile to the other.

    Args:
        before: of the parent, or of the baseline.
        after: of the candidate.
        expected_gone: a finding that the change was meant to remove.
    """
    old, new = held(before), held(after)
    both = old.keys() & new.keys()  # what one capture did not measure has neither come nor gone
    return ProfileComparison(
        before=before.name,
        after=after.name,
        deltas=tuple(_deltas(before, after)),
        findings_gone=tuple(sorted(name for name in both if old[name] and not new[name])),
        findings_new=tuple(sorted(name for name in both if new[name] and not old[name])),
        hypothesis=_verdict(before, after, expected_gone),
    )


def _deltas(before: KernelProfile, after: KernelProfile) -> Iterator[Delta]:
    for name, unit, more in _QUANTITIES:
        yield from _delta(name, unit, getattr(before, name), getattr(after, name), more)
    for name, more in _METRICS:
        yield from _delta(name, "", before.metric(name), after.metric(name), more)
    registers = (before.launch.registers_per_thread, after.launch.registers_per_thread)
    yield from _delta("registers_per_thread", "", *registers, None)
    shares = [{stall.reason: stall.share_pct for stall in k.stalls} for k in (before, after)]
    for reason in sorted(shares[0].keys() & shares[1].keys()):
        yield from _delta(
            f"stall:{reason}", "% of stalls", shares[0][reason], shares[1][reason], None
        )


def _delta(
    name: str, unit: str, before: float | None, after: float | None, more_is_better: bool | None
) -> Iterator[Delta]:
    """Nothing where one lacks it, or where it did not move."""
    if before is None or after is None or before == after:
        return
    change = 100.0 * (after - before) / abs(before) if before else None
    if change is not None and abs(change) < NOISE_PCT:
        return
    better = None if more_is_better is None else (after > before) == more_is_better
    yield Delta(what=name, unit=unit, before=before, after=after, change_pct=change, better=better)


def _verdict(before: KernelProfile, after: KernelProfile, wanted: str | None) -> Verdict | None:
    """Supported if the finding went and the time with it; refuted if neither moved."""
    if wanted is None:
        return None
    was, still = held(before).get(wanted), held(after).get(wanted)
    if not was or still is None or before.duration_us is None or after.duration_us is None:
        return "unresolved"
    faster = after.duration_us < before.duration_us * (1 - NOISE_PCT / 100)
    if not still and faster:
        return "supported"
    return "refuted" if still and not faster else "unresolved"
