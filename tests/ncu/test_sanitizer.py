"""What compute-sanitizer says, on its own words: logs of 2025.3 on an H200, without host frames."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncu.sanitizer import MOST_FINDINGS, TOOLS, Tool, parse_log

MEMORY = """\
========= COMPUTE-SANITIZER
========= Invalid __global__ write of size 4 bytes
=========     at broken(const float *, float *, int)+0x170 in kernel.cu:10
=========     by thread (0,0,0) in block (0,0,0)
=========     Access to 0x7f151a884000 is out of bounds
=========     and is 68581604865 bytes after the nearest allocation at 0x7f0522c00000 of size 512 bytes
=========     Saved host backtrace up to driver entry point at kernel launch time
=========         Host Frame: __tvm_ffi_run [0xdc3b] in solution.so
=========
========= Program hit cudaErrorLaunchFailure (error 719) due to "unspecified launch failure"
=========     Saved host backtrace up to driver entry point at error
=========         Host Frame: c10::cuda::device_synchronize() [0x46566] in libc10_cuda.so
=========
========= Target application returned an error
========= ERROR SUMMARY: 2 errors
"""
RACE = """\
========= COMPUTE-SANITIZER
========= Error: Race reported between Write access at broken(const float *, int)+0x150 in kernel.cu:8
=========     and Read access at broken(const float *, float *, int)+0x160 in kernel.cu:9 [1024 hazards]
=========
========= RACECHECK SUMMARY: 1 hazard displayed (1 error, 0 warnings)
"""
CLEAN = "========= COMPUTE-SANITIZER\n========= ERROR SUMMARY: 0 errors\n"


def test_an_invalid_write_has_its_kernel_and_line() -> None:
    report = parse_log("memcheck", MEMORY)
    assert report.errors == 2
    first = report.findings[0]
    assert first.what == "Invalid __global__ write of size 4 bytes"
    assert first.kernel == "broken(const float *, float *, int)"
    assert first.place == "kernel.cu:10"
    assert first.detail is not None
    assert "68581604865 bytes after the nearest allocation" in first.detail
    assert "Host Frame" not in report.model_dump_json()
    assert "was not checked" in report.note


def test_a_race_has_both_sides() -> None:
    report = parse_log("racecheck", RACE)
    assert report.errors == 1
    (race,) = report.findings
    assert race.what == "Error: Race reported between Write access"
    assert race.place == "kernel.cu:8"
    assert "kernel.cu:9 [1024 hazards]" in str(race.detail)


def test_clean_is_only_what_ended_and_found_nothing() -> None:
    assert parse_log("memcheck", CLEAN).clean
    assert parse_log(
        "racecheck", "========= RACECHECK SUMMARY: 0 hazards displayed (0 errors)"
    ).clean
    failed = CLEAN.replace(
        "=========", "========= Target application returned an error\n=========", 1
    )
    assert not parse_log("synccheck", failed).clean
    assert not parse_log("synccheck", MEMORY).clean


@pytest.mark.parametrize("log", ["", "Segmentation fault", "========= COMPUTE-SANITIZER\n"])
def test_without_a_summary_nothing_is_known(log: str) -> None:
    report = parse_log("initcheck", log)
    assert report.errors is None
    assert "nothing is known" in report.note


@given(st.sampled_from(TOOLS), st.text())
def test_whatever_a_process_wrote_the_answer_is_short_and_printable(tool: Tool, noise: str) -> None:
    report = parse_log(
        tool, "\n".join(f"========= {line}" for line in noise.split("\n")) + "\n" + RACE
    )
    assert len(report.findings) <= MOST_FINDINGS
    assert all(f.what.isprintable() and len(f.what) <= 300 for f in report.findings)
