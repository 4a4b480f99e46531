"""Real reports: the ones in the repository, captured from kernels with known bottlenecks."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from ncu.reader import read_report
from ncu.report import ReportSummary
from tests.reports import report_file


def _require(name: str) -> Path:
    if importlib.util.find_spec("ncu_report") is None:
        pytest.skip('needs NVIDIA\'s reader: pip install "kernel-assay[ncu]"')
    return report_file(name)


@pytest.fixture(scope="session")
def report_path() -> Path:
    """Seven launches with known bottlenecks, all sections that the findings need."""
    return _require("bottlenecks")


@pytest.fixture(scope="session")
def small_report_path() -> Path:
    """One launch, two metrics."""
    return _require("metrics_only")


@pytest.fixture(scope="session")
def report(report_path: Path) -> ReportSummary:
    return read_report(report_path)
