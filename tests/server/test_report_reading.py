"""Reports are read in the sandbox: the same answer, and nothing of the host."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncu.reader import read_report
from sandbox.box import open_sandbox
from sandbox.errors import AssayError
from server.report_reading import sandboxed
from tests.reports import report_file


def test_it_reads_what_a_plain_process_reads(tmp_path: Path) -> None:
    run = sandboxed(open_sandbox(tmp_path))
    for name in ("bottlenecks", "metrics_only"):
        path = report_file(name)
        assert read_report(path, run=run) == read_report(path)
    asked = read_report(report_file("bottlenecks"), metrics="lts__t_sectors", run=run)
    assert sum("lts__t_sectors" in metric for metric in asked.kernels[0].metrics) > 10


def test_a_damaged_report_is_refused_there_too(tmp_path: Path) -> None:
    damaged = tmp_path / "damaged.ncu-rep"
    damaged.write_bytes(report_file("metrics_only").read_bytes()[:-100])
    with pytest.raises(AssayError) as caught:
        read_report(damaged, run=sandboxed(open_sandbox(tmp_path / "work")))
    assert caught.value.code in ("unreadable_report", "not_a_report")
