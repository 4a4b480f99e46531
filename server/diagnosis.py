"""What this machine can do: one check a capability, each with what to do when it is missing."""

from __future__ import annotations

import importlib.metadata
import shutil
import stat
import subprocess
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from ncu.capture import probe
from sandbox import build
from sandbox.box import open_sandbox
from sandbox.errors import AssayError
from sandbox.processors import PROCESSORS, for_runners, may_prefer
from server.settings import Settings
from server.state import State


class Check(BaseModel):
    """One capability."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    ok: bool
    detail: str
    hint: str = ""
    required: bool = False


def diagnose(settings: Settings) -> list[Check]:
    """Run every check. None of them changes anything."""
    state = State(settings.state)
    return [
        Check(name="python", ok=True, detail=f"{sys.version.split()[0]} at {sys.prefix}"),
        *_packages(),
        _program("bubblewrap", "bwrap", "apt-get install -y bubblewrap"),
        _sandbox(state),
        _processors(),
        _program("C++ compiler", "g++", "apt-get install -y g++"),
        _nvcc(),
        _gpu(),
        _profiler(),
        _state(state),
    ]


def _packages() -> list[Check]:
    checks = []
    for name, required in (
        ("mcp", True),
        ("torch", True),
        ("flashinfer-bench", True),
        ("triton", False),
        ("lancedb", True),
        ("duckdb", True),
        ("ncu-report", False),
    ):
        try:
            version = importlib.metadata.version(name)
            checks.append(Check(name=name, ok=True, detail=version, required=required))
        except importlib.metadata.PackageNotFoundError:
            hint = f"pip install {'kernel-assay[ncu]' if name == 'ncu-report' else name}"
            checks.append(
                Check(name=name, ok=False, detail="not installed", hint=hint, required=required)
            )
    return checks


def _program(name: str, program: str, hint: str, required: bool = False) -> Check:
    found = shutil.which(program)
    detail = found or "not found"
    return Check(name=name, ok=bool(found), detail=detail, hint=hint, required=required)


def _sandbox(state: State) -> Check:
    def look() -> str:
        with tempfile.TemporaryDirectory() as scratch:
            work = state.work if state.initialised else Path(scratch)
            with open_sandbox(work) as sandbox:
                return f"level {sandbox.level}, self-test passed"

    return _attempt("sandbox", look, required=True)


def _processors() -> Check:
    runners = for_runners(PROCESSORS)
    preferred = may_prefer()
    return Check(
        name="processors",
        ok=preferred,
        detail=f"runners measure on {', '.join(map(str, runners))} of {len(PROCESSORS)}, "
        + ("rather than others" if preferred else "like everybody else"),
        hint="Measure when nobody else works here, or start the server as root, which may raise priorities.",
    )


def _nvcc() -> Check:
    def look() -> str:
        toolkit = build.find_cuda()
        return f"{toolkit.version} at {toolkit.nvcc}"

    return _attempt("nvcc", look)


def _gpu() -> Check:
    smi = shutil.which("nvidia-smi")
    if smi is None:
        return Check(
            name="GPU",
            ok=False,
            detail="no nvidia-smi",
            hint="Compile for any architecture and bench with --device cpu work without one.",
        )
    query = [smi, "--query-gpu=name,driver_version,uuid", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=20, check=False)
    text = (done.stdout or done.stderr).strip().replace("\n", "; ")
    return Check(name="GPU", ok=done.returncode == 0, detail=text or "nvidia-smi failed")


def _profiler() -> Check:
    support = probe()
    return Check(
        name="ncu capture",
        ok=support.available,
        detail=support.reason,
        hint="Capture on a GPU machine, then: assay artifact add FILE.ncu-rep",
    )


def _state(state: State) -> Check:
    def look() -> str:
        state.require()
        loose = [
            str(path)
            for path in state.root.rglob("*")
            if path.is_dir() and stat.S_IMODE(path.stat().st_mode) & 0o007
        ][:3]
        if loose:
            raise AssayError("state_permissions", f"{', '.join(loose)} open to others.", "chmod o=")
        return f"{state.root}, private"

    return _attempt("state directory", look)


def _attempt(name: str, look: Callable[[], str], required: bool = False) -> Check:
    try:
        return Check(name=name, ok=True, detail=look(), required=required)
    except AssayError as error:
        return Check(name=name, ok=False, detail=error.message, hint=error.hint, required=required)
