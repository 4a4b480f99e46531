"""Captures as a service: one call of a solution under Nsight Compute or compute-sanitizer, in the sandbox.

The profiler runs inside the same isolation as a benchmark, on the leased GPU and nothing else. What it
writes was made next to candidate code: it is kept as an artifact, read in a sandbox of its own, and is
advice, never a score. The same question is answered from the artifact of the first time.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from ncu.capture import (
    REPORT,
    CaptureSupport,
    Depth,
    capture_command,
    explain_failure,
    probe,
    require_capture,
    sanitize_command,
)
from ncu.sanitizer import TOOLS, SanitizerReport, Tool, parse_log
from sandbox import gpu
from sandbox.box import Command, Completed, Limits, Sandbox
from sandbox.errors import AssayError
from sandbox.gpu import Gpu
from sandbox.problem import BLOBS, Problem, resolve_shape
from sandbox.runtime import LIBRARY, Mount, python
from sandbox.solution import Solution
from sandbox.warm import ENVIRONMENT
from server.artifacts import ArtifactStore
from server.benching import BenchRequest
from server.compiling import Compiling
from server.journal import Journal, Origin, new_id
from server.records import CaptureRecord

PROGRAM = "from sandbox.runner.profiled import main; main()"
BLOBS_INSIDE = f"/sandbox/problem/{BLOBS}"
WARM_UP = 2
TOOLKITS = Path("/opt/nvidia")
"""Where Nsight Compute lies when it does not come with a CUDA toolkit below /usr."""


@dataclass(frozen=True)
class CaptureRequest:
    """A capture that may start."""

    bench: BenchRequest
    depth: Depth

    @property
    def workload_uuid(self) -> str:
        return self.bench.workload_uuids[0]


class Capturing:
    """Captures profiles of solutions on a GPU of this machine."""

    def __init__(
        self,
        *,
        journal: Journal,
        artifacts: ArtifactStore,
        compiling: Compiling,
        sandbox: Sandbox,
        timeout_s: float,
    ) -> None:
        self._journal = journal
        self._artifacts = artifacts
        self._compiling = compiling
        self._sandbox = sandbox
        self._timeout_s = timeout_s

    async def capture(self, request: CaptureRequest, origin: Origin) -> CaptureRecord:
        """Run the profiler, or find what it wrote for this very question before.

        Raises:
            AssayError: `capture_unavailable`, `device_unavailable`, `capture_failed`, or what is wrong
                with the solution.
        """
        bench = request.bench
        support = await asyncio.to_thread(probe)
        if not support.available:
            require_capture(support, bench.solution.solution_id)
        leased = await asyncio.to_thread(gpu.find_gpu, bench.device)
        record = self._record(request, support, leased)
        known = self._journal.history.captures.get(record.question)
        if known is not None:
            record = record.model_copy(
                update={"artifact_id": known.record.artifact_id, "cached": True}
            )
        else:
            library = await self._compiling.library(bench.solution, bench.device, origin)
            started = time.monotonic()
            content, kind = await asyncio.to_thread(self._run, request, support, leased, library)
            artifact = await asyncio.to_thread(
                self._artifacts.put, content, name=f"{record.capture_id}.{kind}", kind=kind
            )
            await self._journal.record("artifact.added", origin, artifact)
            seconds = round(time.monotonic() - started, 2)
            record = record.model_copy(
                update={"artifact_id": artifact.artifact_id, "seconds": seconds}
            )
        await self._journal.record("profile.captured", origin, record)
        return record

    def sanitizer_reports(self, record: CaptureRecord) -> tuple[SanitizerReport, ...]:
        """What the tools of a capture with depth `sanitize` found."""
        logs: dict[Tool, str] = json.loads(self._artifacts.get(record.artifact_id))
        return tuple(parse_log(tool, log) for tool, log in logs.items())

    def _record(
        self, request: CaptureRequest, support: CaptureSupport, leased: Gpu
    ) -> CaptureRecord:
        bench = request.bench
        return CaptureRecord(
            capture_id=new_id("cap"),
            solution_id=bench.solution.solution_id,
            problem=bench.problem.name,
            problem_sha256=bench.problem.sha256,
            workload=request.workload_uuid,
            depth=request.depth,
            ncu_version=str(support.ncu_version),
            device_uuid=leased.uuid,
            device=leased.name,
            driver=leased.driver,
            counters_allowed=support.counters_allowed,
            artifact_id="",
        )

    def _run(
        self, request: CaptureRequest, support: CaptureSupport, leased: Gpu, library: Path | None
    ) -> tuple[bytes, str]:
        """The report or the logs, and which of the two."""
        with leased.lease(self._timeout_s):
            if request.depth == "sanitize":
                return self._sanitize(request, support, leased, library), "sanitizer.json"
            program = capture_command(
                self._program(request),
                output=f"/sandbox/out/{REPORT}",
                depth=request.depth,
                marked=True,
                ncu=str(support.ncu_path),
            )
            done = self._start(request, program, leased, library, self._timeout_s)
        report = done.outputs.get(f"{REPORT}.ncu-rep")
        if report is None:
            raise _failed("ncu", request, done)
        return report, "ncu-rep"

    def _sanitize(
        self, request: CaptureRequest, support: CaptureSupport, leased: Gpu, library: Path | None
    ) -> bytes:
        """Each tool in turn; one that fails leaves its log without a summary."""
        logs: dict[str, str] = {}
        deadline = time.monotonic() + self._timeout_s
        for tool in TOOLS:
            log = f"{tool}.log"
            program = sanitize_command(
                tool,
                self._program(request),
                log=f"/sandbox/out/{log}",
                sanitizer=str(support.sanitizer_path),
            )
            left = max(5.0, deadline - time.monotonic())
            done = self._start(request, program, leased, library, left)
            if log not in done.outputs:
                raise _failed("compute-sanitizer", request, done)
            logs[tool] = done.outputs[log].decode("utf-8", "replace")
        return json.dumps(logs, indent=1).encode()

    def _start(
        self,
        request: CaptureRequest,
        program: Sequence[str],
        leased: Gpu,
        library: Path | None,
        timeout_s: float,
    ) -> Completed:
        solution = request.bench.solution
        files = {f"src/{source.path}": source.content.encode() for source in solution.sources}
        if library is not None:
            files["solution.so"] = library.read_bytes()
        drivers = gpu.driver_mounts()
        return self._sandbox.run(
            Command(
                argv=tuple(program),
                files=files,
                mounts=(*drivers, *_toolkit_mounts(), *_blob_mounts(request.bench.problem)),
                env=ENVIRONMENT | gpu.library_path(drivers),
                devices=tuple(leased.nodes()),
                limits=Limits(wall_s=timeout_s, cpu_s=int(timeout_s) * 8, data_bytes=None),
            )
        )

    def _program(self, request: CaptureRequest) -> tuple[str, ...]:
        script = f"import sys; sys.path.insert(0, {LIBRARY!r}); {PROGRAM}"
        bench, sanitize = request.bench, request.depth == "sanitize"
        job = _job(bench.solution, bench.problem, request.workload_uuid)
        job["warm_up"] = 0 if sanitize else WARM_UP
        return (python(), "-I", "-B", "-c", script, json.dumps(job))


def _job(solution: Solution, problem: Problem, uuid: str) -> dict[str, object]:
    """What `sandbox.runner.profiled` must know. The reference is not part of it."""
    definition = problem.definition
    workload = next(w for w in problem.workloads if w.uuid == uuid)
    return {
        "language": solution.spec.language,
        "entry_file": solution.spec.entry_file,
        "entry_symbol": solution.spec.entry_symbol,
        "style": solution.spec.destination_passing_style,
        "definition": definition.official() | {"reference": "def run(*_):\n    pass\n"},
        "workload": workload.model_dump(mode="json"),
        "outputs": [
            {"shape": resolve_shape(definition, spec, workload), "dtype": spec.dtype}
            for spec in definition.outputs.values()
        ],
    }


def _toolkit_mounts() -> tuple[Mount, ...]:
    return (Mount(TOOLKITS, str(TOOLKITS)),) if TOOLKITS.is_dir() else ()


def _blob_mounts(problem: Problem) -> tuple[Mount, ...]:
    blobs = problem.root / BLOBS
    return (Mount(blobs, BLOBS_INSIDE),) if blobs.is_dir() else ()


def _failed(what: str, request: CaptureRequest, done: Completed) -> AssayError:
    words = (done.stdout + b"\n" + done.stderr).decode("utf-8", "replace")
    message, hint = explain_failure(words, timed_out=done.timed_out, depth=request.depth)
    solution_id = request.bench.solution.solution_id
    return AssayError("capture_failed", f"{what} wrote no report of {solution_id}: {message}", hint)
