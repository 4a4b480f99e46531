"""What is missing for a capture, said so that a reader can act."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from ncu.capture import SURVEY_SECTIONS, capture_command, probe, require_capture
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


@pytest.mark.parametrize(("uid", "allowed"), [(1000, False), (0, True)])
def test_counters_for_administrators_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, uid: int, allowed: bool
) -> None:
    monkeypatch.setattr(os, "geteuid", lambda: uid)
    found = probe(**machine(tmp_path, gpu=True, admin_only=1, ncu=True))  # type: ignore[arg-type]
    assert found.counters_allowed is allowed
    assert found.available is allowed
    assert allowed or "RmProfilingAdminOnly" in found.reason


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
        require_capture("sol_" + "0" * 32)
    assert caught.value.code == "capture_unavailable"
    assert "ncu --clock-control none --section SpeedOfLight" in caught.value.hint
    assert "assay artifact add report.ncu-rep" in caught.value.hint
    assert "artifact_id" in caught.value.hint
