"""What is missing for a capture, said so that a reader can act."""

from __future__ import annotations

from pathlib import Path

import pytest

from ncu.capture import (
    MOST_LAUNCHES,
    SURVEY_SECTIONS,
    capture_command,
    explain_failure,
    probe,
    require_capture,
    sanitize_command,
)
from ncu.patterns import PATTERNS
from sandbox.errors import AssayError


def machine(tmp_path: Path, *, gpu: bool, admin_only: int | None, ncu: bool) -> dict[str, object]:
    devices = tmp_path / "dev"
    devices.mkdir()
    (devices / "nvidiactl").touch()
    if gpu:
        (devices / "nvidia0").touch()
    params = tmp_path / "params"
    if admin_only is not None:
        params.write_text(f"EnableMSI: 1\nRmProfilingAdminOnly: {admin_only}\n")
    program = tmp_path / "ncu"
    if ncu:
        program.write_text("#!/bin/sh\necho 'Version 2025.3.1.0 (build 1)'\n")
    else:
        program.write_text("#!/bin/sh\nexit 1\n")
    program.chmod(0o755)
    return {"devices": devices, "driver_parameters": params, "ncu": str(program)}


def test_everything_present(tmp_path: Path) -> None:
    found = probe(**machine(tmp_path, gpu=True, admin_only=0, ncu=True))  # type: ignore[arg-type]
    assert found.available
    assert found.ncu_version == "2025.3.1.0"
    assert found.counters_allowed is True


def test_no_device(tmp_path: Path) -> None:
    found = probe(**machine(tmp_path, gpu=False, admin_only=0, ncu=True))  # type: ignore[arg-type]
    assert not found.available
    assert "device node" in found.reason


def test_broken_ncu(tmp_path: Path) -> None:
    found = probe(**machine(tmp_path, gpu=True, admin_only=0, ncu=False))  # type: ignore[arg-type]
    assert not found.available
    assert "ncu does not run" in found.reason


def test_counters_for_administrators_only(tmp_path: Path) -> None:
    """A capture runs without rights, even if the server is root."""
    found = probe(**machine(tmp_path, gpu=True, admin_only=1, ncu=True))  # type: ignore[arg-type]
    assert found.counters_allowed is False
    assert not found.available
    assert "RmProfilingAdminOnly" in found.reason


def test_unknown_permission_is_unknown(tmp_path: Path) -> None:
    found = probe(**machine(tmp_path, gpu=True, admin_only=None, ncu=True))  # type: ignore[arg-type]
    assert found.counters_allowed is None
    assert "unknown" in found.reason


def test_the_command_is_exact() -> None:
    argv = capture_command(["./run", "a b"], output="r", kernel="gemm.*", launches=1)
    assert argv[:3] == ("ncu", "--clock-control", "none")
    assert argv[-9:] == ("-k", "regex:gemm.*", "-c", "1", "-f", "-o", "r", "./run", "a b")
    assert "--import-source" in capture_command(["./run"], depth="source")


def test_a_survey_measures_every_pattern_that_needs_no_sampling() -> None:
    wanted = {section for pattern in PATTERNS for section in pattern.sections}
    assert wanted - {"PmSampling"} <= set(SURVEY_SECTIONS)


def test_the_refusal_says_what_to_do_instead() -> None:
    with pytest.raises(AssayError) as caught:
        require_capture(probe(devices=Path("/nowhere")), "sol_" + "0" * 32)
    assert caught.value.code == "capture_unavailable"
    assert "ncu --clock-control none --section SpeedOfLight" in caught.value.hint
    assert "assay artifact add report.ncu-rep" in caught.value.hint
    assert "artifact_id" in caught.value.hint


def test_only_what_is_marked_and_not_too_much_of_it() -> None:
    argv = capture_command(["./run"], depth="full", marked=True)
    assert argv[3:5] == ("--profile-from-start", "no")
    assert argv[argv.index("-c") + 1] == str(MOST_LAUNCHES["full"])
    assert {"PmSampling", "PmSampling_WarpStates"} <= set(argv)
    assert "--set" not in capture_command(["./run"], depth="source")


def test_each_tool_of_the_sanitizer_writes_a_log() -> None:
    argv = sanitize_command("racecheck", ["./run"], log="x.log")
    assert argv == (
        *("compute-sanitizer", "--tool", "racecheck", "--print-limit", "50", "--log-file", "x.log"),
        "./run",
    )


@pytest.mark.parametrize(
    ("words", "timed_out", "message", "hint"),
    [
        ("", True, "too long", "survey"),
        ("==ERROR== ERR_NVGPUCTRPERM - The user has", False, "administrators", "NVreg_"),
        ("==WARNING== No kernels were profiled.", False, "no kernel", "run_bench"),
        (
            "Traceback\nValueError: no\n==WARNING== No kernels were profiled.",
            False,
            "ValueError",
            "run",
        ),
        ("==PROF== x\n==ERROR== The application returned 1", False, "returned 1", "run_bench"),
    ],
)
def test_failures_say_what_to_try(words: str, timed_out: bool, message: str, hint: str) -> None:
    found = explain_failure(words, timed_out=timed_out, depth="full")
    assert message in found[0]
    assert hint in found[1]
