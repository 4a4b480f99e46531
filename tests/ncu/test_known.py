"""The first finding is the bottleneck that a kernel was written to have: real reports of an H200."""

from __future__ import annotations

import importlib.util
import json
from functools import cache

import pytest

from ncu.findings import findings
from ncu.reader import read_report
from ncu.report import KernelProfile, Severity
from tests.reports import REPORTS, report_file

pytestmark = pytest.mark.skipif(
    importlib.util.find_spec("ncu_report") is None, reason="needs NVIDIA's reader"
)

KNOWN = {row["kernel"]: row["first"] for row in json.loads((REPORTS / "known.json").read_text())}
UNSEEN = {row["kernel"]: row["first"] for row in json.loads((REPORTS / "unseen.json").read_text())}
CONTROLS = ("padded_transpose", "tensor_loop", "wide_copy", "block_sums", "busy_multiplies")


@cache
def kernels(name: str) -> dict[str, KernelProfile]:
    return {kernel.short_name: kernel for kernel in read_report(report_file(name)).kernels}


@pytest.mark.parametrize("name", KNOWN)
def test_the_known_bottleneck_comes_first(name: str) -> None:
    found = findings(kernels("known")[name])
    assert found[0].id == KNOWN[name]
    assert found[0].evidence
    assert found[0].wiki_query


@pytest.mark.parametrize("name", CONTROLS)
def test_what_is_well_done_raises_no_alarm(name: str) -> None:
    found = findings(kernels("known")[name])
    assert {finding.severity for finding in found} <= {Severity.INFO, Severity.LOW}


def test_kernels_that_set_no_threshold_are_told_as_well() -> None:
    """Two of the ten are not: `benchmarks/diagnosis.py` shows which."""
    right = [findings(kernels("unseen")[name])[0].id == first for name, first in UNSEEN.items()]
    assert sum(right) >= 8


def test_sampling_over_time_and_by_line_is_in_a_full_report() -> None:
    bubbles = kernels("known")["copy_then_compute"]
    assert bubbles.timeline is not None
    assert any(series.sawtooth for series in bubbles.timeline.series)
    slow = kernels("known")["linked_lists"].hot
    assert slow is not None
    assert slow.lines[0].where.startswith("known.cu:")
    assert "long_scoreboard" in slow.lines[0].reasons
