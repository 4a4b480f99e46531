"""Whether this machine can capture profiles, why not, and the commands that do it.

Reads device nodes, the driver's parameters and ncu's version; changes nothing and starts no profiler: the
server does that, in its sandbox. A capture elsewhere is added as an artifact and read like any other report.
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

Depth = Literal["survey", "full", "source", "sanitize"]
REPORT = "report"

DEVICES = Path("/dev")
DRIVER_PARAMETERS = Path("/proc/driver/nvidia/params")
INSTALLS = {
    "ncu": ("/usr/local/cuda*/bin/ncu", "/opt/nvidia/nsight-compute/*/ncu"),
    "compute-sanitizer": ("/usr/local/cuda*/bin/compute-sanitizer",),
}
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


SAMPLING_SECTIONS = ("PmSampling", "PmSampling_WarpStates")
# `--set source` has hung on asynchronous copies with barriers; the section alone has not.
SOURCE_SECTIONS = ("SpeedOfLight", "LaunchStats", "WarpStateStats", "SourceCounters")

MOST_LAUNCHES: dict[Depth, int] = {"survey": 64, "full": 16, "source": 8}
"""A call with more launches is captured as far as this: each launch is replayed some thirty times."""


class CaptureSupport(BaseModel):
    """What a capture needs, and what is there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    gpu: bool
    ncu_path: str | None
    ncu_version: str | None
    counters_allowed: bool | None
    """None: the driver does not say."""
    sanitizer_path: str | None = None
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
    path = ncu or _find("ncu")
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
        gpu=gpu,
        ncu_path=path,
        ncu_version=version,
        counters_allowed=allowed,
        sanitizer_path=_find("compute-sanitizer"),
        reason=reason,
    )


def capture_command(
    program: Sequence[str],
    *,
    output: str = REPORT,
    depth: Depth = "survey",
    kernel: str | None = None,
    launches: int | None = None,
    marked: bool = False,
    ncu: str = "ncu",
) -> tuple[str, ...]:
    """The argv that captures `program` into `output`.ncu-rep.

    Clock control is off: it is refused in most containers, and the reader reports profiled time
    as what it is.

    Args:
        program: what to run.
        output: where the report goes, without its ending.
        depth: `survey` (seconds; every pattern that needs no sampling), `full` (all sections, sampling
            over time), `source` (where warps wait, by line).
        kernel: a regular expression of kernels' names.
        launches: how many at most; by default `MOST_LAUNCHES` if marked, else all.
        marked: only what runs between cudaProfilerStart and cudaProfilerStop.
        ncu: the profiler.
    """
    argv = [ncu, "--clock-control", "none"]
    if marked:
        argv += ["--profile-from-start", "no"]
        launches = launches or MOST_LAUNCHES[depth]
    if depth == "full":
        argv += ["--set", "full"]
    sections = {"survey": SURVEY_SECTIONS, "full": SAMPLING_SECTIONS, "source": SOURCE_SECTIONS}
    for section in sections[depth]:
        argv += ["--section", section]
    if depth == "source":
        argv += ["--import-source", "yes"]
    if kernel is not None:
        argv += ["-k", f"regex:{kernel}"]
    if launches is not None:
        argv += ["-c", str(launches)]
    return (*argv, "-f", "-o", output, *program)


def sanitize_command(
    tool: str, program: Sequence[str], *, log: str, sanitizer: str = "compute-sanitizer"
) -> tuple[str, ...]:
    """The argv that runs `program` under one of compute-sanitizer's tools, which writes to `log`."""
    return (sanitizer, "--tool", tool, "--print-limit", "50", "--log-file", log, *program)


def explain_failure(words: str, *, timed_out: bool, depth: Depth) -> tuple[str, str]:
    """What went wrong in a capture, and what to try, from what the profiler and the program printed."""
    last = [line.strip() for line in words.splitlines() if line.strip()]
    said = [line for line in last if line.startswith(("==ERROR==", "========= Error"))] or last[-3:]
    message = " ".join(said)[-600:]
    if timed_out:
        return "it took too long.", f"Try a smaller workload, or depth='survey' (now {depth!r})."
    if "ERR_NVGPUCTRPERM" in words:
        return (
            "performance counters are reserved for administrators.",
            "The operator loads the driver with NVreg_RestrictProfilingToAdminUsers=0.",
        )
    if "No kernels were profiled" in words and "Traceback" not in words:
        return "it launched no kernel.", "Check with run_bench that it computes on the GPU."
    return (
        f"in the tool's and the solution's own words (untrusted): {message}",
        "Check with run_bench that the solution runs; then try again.",
    )


def require_capture(support: CaptureSupport, solution_id: str) -> NoReturn:
    """Explain why a solution cannot be captured here and what to do instead.

    Raises:
        AssayError: `capture_unavailable`, always.
    """
    command = " ".join(capture_command(["./your-program"]))
    raise AssayError(
        "capture_unavailable",
        f"Solution {solution_id[:80]!r} cannot be profiled here: {support.reason}.",
        f"On a machine with a GPU run `{command}`; an operator then adds the file with "
        "`assay artifact add report.ncu-rep`; call profile_ncu with that artifact_id.",
    )


def _find(program: str) -> str | None:
    on_path = shutil.which(program)
    if on_path:
        return on_path
    installed = [
        p for pattern in INSTALLS[program] for p in Path("/").glob(pattern.removeprefix("/"))
    ]
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
    return found[1] == "0"  # a capture runs without rights, whoever the server is
