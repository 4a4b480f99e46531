"""Findings on real reports with known answers, and on constructed profiles for the rest."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ncu import signals
from ncu.findings import MAX_FINDINGS, findings
from ncu.patterns import PATTERNS
from ncu.reader import read_report
from ncu.report import KernelProfile, Launch, Metric, ReportSummary, Severity, Stall, StallUnit


def profile(
    metrics: dict[str, float] | None = None,
    launch: Launch | None = None,
    stalls: dict[str, float] | None = None,
    **values: object,
) -> KernelProfile:
    return KernelProfile.model_validate(
        {
            "index": 0,
            "name": "k(int)",
            "short_name": "k",
            "launch": launch or Launch(),
            "metrics": {n: Metric(value=v) for n, v in (metrics or {}).items()},
            "stalls": tuple(
                Stall(reason=r, value=s, unit=StallUnit.CYCLES_PER_ISSUE, share_pct=s)
                for r, s in (stalls or {}).items()
            ),
            **values,
        }
    )


def ids(kernel: KernelProfile) -> list[str]:
    return [finding.id for finding in findings(kernel)]


KNOWN = [
    (0, "scatter_rows", "uncoalesced-stores"),
    (1, "column_sums", "bank-conflicts"),
    (2, "scale_stream", "dram-bound"),
    (3, "chase", "latency-bound"),
    (4, "polynomial", "compute-bound"),
    (5, "polynomial", "small-grid"),
    (6, "local_table", "local-memory"),
]


@pytest.mark.parametrize(("index", "name", "first"), KNOWN)
def test_the_first_finding_is_the_known_bottleneck(
    report: ReportSummary, index: int, name: str, first: str
) -> None:
    kernel = report.kernels[index]
    assert kernel.short_name == name
    found = findings(kernel)
    assert found[0].id == first
    assert found[0].evidence
    assert found[0].advice


def test_the_well_tuned_kernel_gets_no_alarm(report: ReportSummary) -> None:
    assert {f.severity for f in findings(report.kernels[2])} <= {Severity.INFO, Severity.LOW}


def test_a_report_without_metrics_says_what_to_capture(small_report_path: Path) -> None:
    (kernel,) = read_report(small_report_path).kernels
    found = findings(kernel)
    assert [f.id for f in found] == ["not-measured"]
    assert "--section MemoryWorkloadAnalysis_Tables" in found[0].advice
    assert "local-memory" in found[0].title


def test_busy_dram_without_the_tables_is_not_called_good() -> None:
    kernel = profile(dram_throughput_pct=85.0, memory_throughput_pct=85.0)
    assert ids(kernel)[0] == "dram-busy"
    assert "dram-bound" not in ids(kernel)


def memory(op: str, sectors: float, requests: float, used: float | None) -> dict[str, float]:
    other = "st" if op == "ld" else "ld"
    values = {
        signals.SECTORS.format("global", op): sectors,
        signals.REQUESTS.format("global", op): requests,
        signals.SECTORS.format("global", other): 0.0,
        signals.SECTORS.format("local", "ld"): 0.0,
    }
    return values if used is None else values | {signals.BYTES_PER_SECTOR.format(op): used}


def test_wide_vector_loads_are_not_uncoalesced() -> None:
    """Sixteen sectors a request are right for 16-byte loads: the usual threshold is wrong here."""
    assert "uncoalesced-loads" not in ids(profile(memory("ld", 1600, 100, used=32.0)))
    assert "uncoalesced-loads" not in ids(profile(memory("ld", 1600, 100, used=None)))
    assert "uncoalesced-loads" in ids(profile(memory("ld", 3200, 100, used=None)))
    assert "uncoalesced-loads" in ids(profile(memory("ld", 1600, 100, used=8.0)))


def test_occupancy_names_its_limiter_and_is_quiet_when_the_device_is_busy() -> None:
    low = {"theoretical_occupancy_pct": 25.0, "occupancy_limiter": "registers"}
    (idle,) = [f for f in findings(profile(**low)) if f.id == "occupancy-limited"]
    assert idle.title == "Occupancy is limited by registers"
    assert idle.severity is Severity.MEDIUM
    busy = findings(profile(**low, compute_throughput_pct=90.0))
    (quiet,) = [f for f in busy if f.id == "occupancy-limited"]
    assert quiet.severity is Severity.LOW


def test_tail_and_small_grid() -> None:
    tail = Launch(grid=(140, 1, 1), sm_count=132, waves_per_sm=1.06)
    assert "tail-wave" in ids(profile(launch=tail))
    full = Launch(grid=(1320, 1, 1), sm_count=132, waves_per_sm=2.0)
    assert not {"tail-wave", "small-grid"} & set(ids(profile(launch=full)))
    small = findings(profile(launch=Launch(grid=(8, 2, 1), sm_count=132, waves_per_sm=0.1)))
    assert small[0].id == "small-grid"
    assert ("blocks", 16) in [(e.metric, e.value) for e in small[0].evidence]


def test_conflicts_that_cost_nothing_are_not_reported() -> None:
    conflicts = {signals.CONFLICTS: 60.0, signals.SHARED_WAVEFRONTS: 100.0}
    assert "bank-conflicts" not in ids(
        profile(conflicts | {signals.SHARED_BUSY_PCT: 0.4}, stalls={"wait": 90})
    )
    assert "bank-conflicts" in ids(profile(conflicts | {signals.SHARED_BUSY_PCT: 60.0}))


def test_local_loads_are_not_called_global_latency() -> None:
    metrics = memory("ld", 100, 25, used=32.0) | {signals.SECTORS.format("local", "ld"): 9000.0}
    found = ids(profile(metrics, stalls={"long_scoreboard": 95}, dram_throughput_pct=20.0))
    assert found[0] == "local-memory"
    assert "latency-bound" not in found


def test_barrier_divergence_fp64_and_tensor() -> None:
    assert "barrier" in ids(profile(stalls={"barrier": 45, "wait": 5}))
    assert "divergence" in ids(profile({signals.THREADS_PER_INSTRUCTION: 9.0}))
    assert "fp64" in ids(profile({signals.PIPE_PCT.format("fp64"): 60.0}))
    pipes = {signals.PIPE_PCT.format("fma"): 80.0, signals.PIPE_PCT.format("tensor"): 0.0}
    (idle,) = [f for f in findings(profile(pipes)) if f.id == "tensor-idle"]
    assert idle.severity is Severity.LOW
    assert "matrix product" in idle.advice
    only_fma = profile({signals.PIPE_PCT.format("fma"): 80.0})
    assert "tensor-idle" not in ids(only_fma)


def test_zero_is_measured_and_absent_is_not() -> None:
    measured = profile({signals.CONFLICTS: 0.0, signals.SHARED_WAVEFRONTS: 0.0})
    assert "bank-conflicts" not in findings(measured)[-1].title
    assert "bank-conflicts" in findings(profile())[-1].title


def test_patterns_are_distinct_and_complete() -> None:
    assert len({pattern.id for pattern in PATTERNS}) == len(PATTERNS)
    for pattern in PATTERNS:
        assert pattern.evidence and pattern.advice and pattern.caveat
        assert pattern.wiki_query and pattern.sections


percent = st.none() | st.floats(0, 100)


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(
        st.sampled_from(
            [
                *(signals.SECTORS.format(s, o) for s in ("global", "local") for o in ("ld", "st")),
                *(signals.REQUESTS.format("global", o) for o in ("ld", "st")),
                signals.CONFLICTS,
                signals.SHARED_WAVEFRONTS,
                signals.THREADS_PER_INSTRUCTION,
            ]
        ),
        st.floats(allow_nan=False, allow_infinity=False),
    ),
    st.dictionaries(st.sampled_from(["long_scoreboard", "barrier", "wait"]), st.floats(0, 100)),
    percent,
    percent,
    percent,
)
def test_any_profile_gets_at_most_five_ranked_findings(
    metrics: dict[str, float],
    stalls: dict[str, float],
    dram: float | None,
    memory_pct: float | None,
    compute: float | None,
) -> None:
    found = findings(
        profile(
            metrics,
            stalls=stalls,
            dram_throughput_pct=dram,
            memory_throughput_pct=memory_pct,
            compute_throughput_pct=compute,
        )
    )
    assert 1 <= len(found) <= MAX_FINDINGS
    assert [f.rank for f in found] == list(range(1, len(found) + 1))
