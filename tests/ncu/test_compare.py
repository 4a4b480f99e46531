"""Comparing profiles: real ones, and what must hold for all."""

from __future__ import annotations

import pytest

from ncu.compare import compare
from ncu.report import KernelProfile, ReportSummary


def kernel(report: ReportSummary, name: str) -> KernelProfile:
    return next(k for k in report.kernels if k.short_name == name)


def test_nothing_changed_against_itself(report: ReportSummary) -> None:
    for profile in report.kernels:
        found = compare(profile, profile, "local-memory")
        assert found.deltas == found.findings_gone == found.findings_new == ()
        assert found.hypothesis != "supported"


def test_what_got_better_is_named(report: ReportSummary) -> None:
    """Scattered stores against a stream: not the same work, but the quantities must show it."""
    found = compare(kernel(report, "scatter_rows"), kernel(report, "scale_stream"))
    assert "uncoalesced-stores" in found.findings_gone
    assert "dram-bound" in found.findings_new
    assert {d.what for d in found.deltas} >= {"dram_throughput_pct"}
    for delta in found.deltas:
        if delta.change_pct is not None:
            assert (delta.change_pct > 0) == (delta.after > delta.before)


@pytest.mark.parametrize(
    ("factor", "verdict"), [(0.5, "supported"), (1.0, "unresolved"), (1.5, "unresolved")]
)
def test_a_hypothesis_needs_the_finding_gone_and_the_time_with_it(
    report: ReportSummary, factor: float, verdict: str
) -> None:
    before, after = kernel(report, "scatter_rows"), kernel(report, "scale_stream")
    assert before.duration_us
    after = after.model_copy(update={"duration_us": before.duration_us * factor})
    assert compare(before, after, "uncoalesced-stores").hypothesis == verdict


def test_a_hypothesis_is_refuted_where_nothing_moved(report: ReportSummary) -> None:
    before = kernel(report, "scatter_rows")
    assert compare(before, before, "uncoalesced-stores").hypothesis == "refuted"
    assert compare(before, before, "bank-conflicts").hypothesis == "unresolved"
    assert compare(before, before).hypothesis is None


def test_what_one_capture_lacks_has_not_gone(report: ReportSummary) -> None:
    full = kernel(report, "scatter_rows")
    poor = full.model_copy(update={"metrics": {}, "stalls": (), "launch": type(full.launch)()})
    assert "uncoalesced-stores" not in compare(full, poor).findings_gone
    assert compare(full, poor, "uncoalesced-stores").hypothesis == "unresolved"
    assert compare(poor, full).findings_new == ()
