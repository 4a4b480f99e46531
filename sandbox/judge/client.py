"""The server's side of the judge: starts its process, sends jobs, takes results. Light: no torch."""

from __future__ import annotations

import contextlib
import json
import os
import select
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from sandbox.errors import AssayError, SandboxFailure
from sandbox.gpu import VISIBLE
from sandbox.judge.models import BenchJob, BenchResult
from sandbox.warm import STEADY_HEAP

GRACE_S = 60.0
"""What a job may take beyond its own limit without a sign of life: starting, building inputs, computing the
reference. A judge that waits for a lease gives one every second."""


class JudgeClient:
    """One judge, started with the first job and again if it dies. One job at a time."""

    def __init__(self, work: Path) -> None:
        self._work = work
        self._process: subprocess.Popen[bytes] | None = None
        self._lock = threading.Lock()
        self._buffer = b""

    def bench(
        self, job: BenchJob, progress: Callable[[float, str], None] | None = None
    ) -> BenchResult:
        """Run one job.

        Raises:
            AssayError: what was wrong with the job; `judge_failed` if the judge itself died.
        """
        with self._lock:
            process = self._start()
            deadline = time.monotonic() + job.timeout_s + GRACE_S
            assert process.stdin is not None
            try:
                process.stdin.write(job.model_dump_json().encode() + b"\n")
                process.stdin.flush()
                while True:
                    message = json.loads(self._line(process, deadline))
                    if "progress" in message:
                        deadline = time.monotonic() + job.timeout_s + GRACE_S
                        if progress is not None:
                            progress(*message["progress"])
                    elif "error" in message:
                        raise AssayError(*message["error"])
                    else:
                        return BenchResult.model_validate(message["result"])
            except (OSError, ValueError) as error:
                self._stop()
                raise SandboxFailure(
                    "judge_failed",
                    f"The judge's process failed ({error}); this is not the candidate's fault.",
                    "Try again; if it happens again, tell the operator (server log).",
                ) from error

    def close(self) -> None:
        """End the judge and its runners."""
        with self._lock:
            self._stop()

    def _start(self) -> subprocess.Popen[bytes]:
        if self._process is None or self._process.poll() is not None:
            self._buffer = b""
            home = self._work / "judge"
            home.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._process = subprocess.Popen(
                [sys.executable, "-m", "sandbox.judge.worker", str(self._work)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                cwd=Path(__file__).resolve().parents[2],
                start_new_session=True,  # which processor time is divided among
                env={
                    "PATH": "/usr/local/bin:/usr/bin:/bin",
                    "HOME": str(home),
                    "FIB_CACHE_PATH": str(home / "fib"),
                    "OMP_NUM_THREADS": "1",
                    **STEADY_HEAP,
                    "LC_ALL": "C.UTF-8",
                    "CUDA_DEVICE_ORDER": "PCI_BUS_ID",  # as NVML counts
                    # Which GPUs it may use, and where the driver's libraries are, if the machine says so.
                    **{k: v for k, v in os.environ.items() if k in (VISIBLE, "LD_LIBRARY_PATH")},
                },
            )
        return self._process

    def _line(self, process: subprocess.Popen[bytes], deadline: float) -> bytes:
        assert process.stdout is not None
        while b"\n" not in self._buffer:
            left = deadline - time.monotonic()
            ready, _, _ = select.select([process.stdout], [], [], max(0.0, left))
            if not ready:
                raise TimeoutError("it did not answer in time")
            chunk = os.read(process.stdout.fileno(), 1 << 16)
            if not chunk:
                raise OSError(f"it ended with status {process.wait()}")
            self._buffer += chunk
        line, _, self._buffer = self._buffer.partition(b"\n")
        return line

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # what was not sent is lost with it
            process.stdin.close()
        try:
            process.wait(timeout=5)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()
