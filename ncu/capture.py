"""Whether this machine can capture profiles, why not, and the command to run where it can.

Reads device nodes, the driver's parameters and ncu's version; changes nothing and captures
nothing. A capture elsewhere is added as an artifact and read like any other report.
"""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, NoReturn

from pydantic import BaseModel, ConfigDict

from sandbox.errors import AssayError

Depth = Literal["survey", "full", "source"]

DEVICES = Path("/dev")
DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
INSTALLS = ("/usr/local/cuda*/bin/ncu", "/opt/nvidia/nsight-compute/*/ncu")
VERSION_TIMEOUT_S = 20

# Enough for every pattern that is known here, in about thirty passes.
SURVEY_SECTIONS = (
    "SpeedOfLight",
    "LaunchStats",
    "Occupancy",
    "MemoryWorkloadAnalysis",
    "MemoryWorkloadAnalysis_Tables",
    "ComputeWorkloadAnalysis",
    "SchedulerStats",
    "WarpStateStats",
)


class CaptureSupport(BaseModel):
    """What a capture needs, and what is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: bool
    ncu_path: str | None
    ncu_version: str | None
    counters_allowed: bool | None
    """None: the driver does not say."""
    reason: str

    @property
    def available(self) -> bool:
        """Whether nothing known stands in the way."""
        return self.gpu and self.ncu_path is not None and self.counters_allowed is not False


def probe(
    *,
    devices: Path = DEVICES,
    driver_parameters: Path = DRIVER_PARAMETERS,
    ncu: str | None = None,
) -> CaptureSupport:
    """Look at this machine. `ncu` names the profiler where it is not on the path."""
    gpu = any(re.fullmatch(r"nvidia\d+", node.name) for node in devices.glob("nvidia*"))
    path = ncu or _find()
    version = _version(path) if path else None
    allowed = _counters_allowed(driver_parameters)
    missing = []
    if not gpu:
        missing.append(f"no NVIDIA device node ({devices}/nvidia0)")
    if path is None:
        missing.append("no ncu (Nsight Compute) on the path or in its usual places")
    elif version is None:
        missing.append("ncu does not run")
        path = None
    if allowed is False:
        missing.append(
            "performance counters are reserved for administrators (RmProfilingAdminOnly: 1)"
        )
    reason = "; ".join(missing) or f"ncu {version}, device present, counters readable"
    if not missing and allowed is None:
        reason = f"ncu {version}, device present, counter permission unknown"
    return CaptureSupport(
        gpu=gpu, ncu_path=path, ncu_version=version, counters_allowed=allowed, reason=reason
    )


def capture_command(
    program: Sequence[str],
    *,
    output: str = "report",
    depth: Depth = "survey",
    kernel: str | None = None,
    launches: int | None = None,
    ncu: str = "ncu",
) -> tuple[str, ...]:
    """The argv that captures `program` into `output`.ncu-rep.

    Clock control is off: it is refused in most containers, and the reader reports profiled time
    as what it is.
    """
    argv = [ncu, "--clock-control", "none"]
    if depth == "survey":
        for section in SURVEY_SECTIONS:
            argv += ["--section", section]
    else:
        argv += ["--set", "full"]
    if depth == "source":
        argv += ["--import-source", "yes"]
    if kernel is not None:
        argv += ["-k", f"regex:{kernel}"]
    if launches is not None:
        argv += ["-c", str(launches)]
    return (*argv, "-f", "-o", output, *program)


def require_capture(solution_id: str) -> NoReturn:
    """Explain why a solution cannot be captured here and what to do instead.

    Raises:
        AssayError: `capture_unavailable`, always: this server reads reports.
    """
    support = probe()
    why = (
        "this server reads reports but does not run the profiler"
        if support.available
        else support.reason
    )
    command = " ".join(capture_command(["./your-program"], output="report"))
    raise AssayError(
        "capture_unavailable",
        f"Solution {solution_id[:80]!r} cannot be profiled here: {why}.",
        f"On a machine with a GPU run `{command}`; an operator then adds the file with "
        "`assay artifact add report.ncu-rep`; call profile_ncu with that artifact_id.",
    )


def _find() -> str | None:
    on_path = shutil.which("ncu")
    if on_path:
        return on_path
    installed = [p for pattern in INSTALLS for p in Path("/").glob(pattern.removeprefix("/"))]
    usable = sorted(str(p) for p in installed if os.access(p, os.X_OK))
    return usable[-1] if usable else None


def _version(path: str) -> str | None:
    try:
        done = subprocess.run(
            [path, "--version"],
            capture_output=True,
            text=True,
            errors="replace",
            stdin=subprocess.DEVNULL,
            timeout=VERSION_TIMEOUT_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired):
        return None
    found = re.search(r"Version\s+(\d{4}\.\d+(?:\.\d+)*)", done.stdout)
    return found[1] if found else None


def _counters_allowed(parameters: Path) -> bool | None:
    try:
        text = parameters.read_text(errors="replace")
    except OSError:
        return None
    found = re.search(r"^RmProfilingAdminOnly:\s*(\d+)", text, re.MULTILINE)
    if found is None:
        return None
    return found[1] == "0" or os.geteuid() == 0
