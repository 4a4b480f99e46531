"""Read a report, from the caller's side: start the worker, bound it, check what it says.

The report is untrusted and so is the worker once it has read it: its answer is capped in size and
time and validated field by field. Every failure is an `AssayError`.
"""

from __future__ import annotations

import contextlib
import os
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from ncu.report import ReportSummary
from sandbox.errors import AssayError

TIMEOUT_S = 60.0
MAX_REPORT_BYTES = 512 << 20
MAX_ANSWER_BYTES = 64 << 20
WORKER = ("-E", "-s", "-B", "-m", "ncu.read")

Run = Callable[[Sequence[str], float], bytes]


class _Error(BaseModel):
    model_config = ConfigDict(extra="forbid")

    code: str
    message: str
    hint: str = ""


class _Answer(BaseModel):
    model_config = ConfigDict(extra="forbid")

    summary: ReportSummary | None = None
    error: _Error | None = None


def read_report(
    path: Path,
    *,
    metrics: str = "",
    timeout_s: float = TIMEOUT_S,
    max_bytes: int = MAX_REPORT_BYTES,
    run: Run | None = None,
) -> ReportSummary:
    """Every kernel of a report.

    Args:
        path: the `.ncu-rep` file.
        metrics: metrics whose names contain this are kept as well.
        timeout_s: the worker is killed after this.
        max_bytes: larger files are not opened.
        run: starts the worker (argv, timeout) and returns what it printed; for callers that
            have a stronger sandbox than a limited process.

    Raises:
        AssayError: `ncu_report_missing`, `not_a_report`, `report_too_new`, `unreadable_report`
            or `report_too_large`.
    """
    path = path.absolute()
    if not path.is_file():
        raise AssayError("unreadable_report", f"There is no file {path.name!r}.", "Check the path.")
    size = path.stat().st_size
    if size > max_bytes:
        raise AssayError(
            "report_too_large",
            f"The report has {size:,} bytes; at most {max_bytes:,} are read.",
            "Capture fewer kernels (ncu -k regex:NAME -c 1) or sections.",
        )
    printed = (run or run_worker)([sys.executable, *WORKER, str(path), metrics], timeout_s)
    try:
        answer = _Answer.model_validate_json(printed)
    except ValidationError as error:
        raise _unreadable("the reader died or answered nonsense") from error
    if answer.error is not None:
        raise AssayError(answer.error.code, answer.error.message, answer.error.hint)
    if answer.summary is None:
        raise _unreadable("the reader gave no answer")
    return answer.summary


def run_worker(argv: Sequence[str], timeout_s: float) -> bytes:
    """Run the worker with a clean environment; what it printed, or an error."""
    worker = subprocess.Popen(
        argv,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        cwd=Path(__file__).resolve().parents[1],
        env={"PATH": "/usr/bin:/bin", "LANG": "C.UTF-8", "HOME": "/nonexistent"},
        start_new_session=True,
    )
    try:
        return _collect(worker, time.monotonic() + timeout_s, timeout_s)
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(worker.pid, signal.SIGKILL)
        worker.wait()
        if worker.stdout:
            worker.stdout.close()


def _collect(worker: subprocess.Popen[bytes], deadline: float, timeout_s: float) -> bytes:
    assert worker.stdout is not None
    parts: list[bytes] = []
    size = 0
    with selectors.DefaultSelector() as ready:
        ready.register(worker.stdout, selectors.EVENT_READ)
        while True:
            if not ready.select(max(0.0, deadline - time.monotonic())):
                raise _unreadable(f"reading it took longer than {timeout_s:g} s")
            part = os.read(worker.stdout.fileno(), 1 << 20)
            if not part:
                return b"".join(parts)
            parts.append(part)
            size += len(part)
            if size > MAX_ANSWER_BYTES:
                raise AssayError(
                    "report_too_large",
                    f"The report's summary exceeds {MAX_ANSWER_BYTES:,} bytes.",
                    "Capture fewer kernels: ncu -k regex:NAME -c 1.",
                )


def _unreadable(why: str) -> AssayError:
    return AssayError(
        "unreadable_report",
        f"The report could not be read: {why}.",
        "Check that it was copied whole, or capture it again.",
    )
