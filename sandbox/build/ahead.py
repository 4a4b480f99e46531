"""Triton and CuTe DSL kernels compiled ahead of time: the trusted side."""

from __future__ import annotations

import importlib.metadata
import json
import time
from dataclasses import dataclass
from pathlib import PurePosixPath

from sandbox.box import Command, Completed, Limits, Sandbox
from sandbox.build import static
from sandbox.build.ahead_program import CUTE, ERROR, TRITON
from sandbox.build.messages import clean, with_remedy
from sandbox.build.models import Diagnostic, Product, TargetReport
from sandbox.build.report import LaunchFacts, read_machine_code
from sandbox.errors import AssayError
from sandbox.problem import Problem, ScalarInput, resolve_shape
from sandbox.runtime import LIBRARY, python
from sandbox.solution import Solution

PROGRAM = f"{LIBRARY}/sandbox/build/ahead_program.py"
MAX_KERNELS = 16
MAX_JSON_BYTES = 1 << 16

# What host code is told: multiprocessors of an H100 SXM and a B200, and the largest shared memory of
# a block on both. Source: NVIDIA's data sheets and the CUDA programming guide.
_CHIPS = {80: (108, 166912), 90: (132, 232448), 100: (148, 232448), 103: (148, 232448)}
_CHIPS[120] = (170, 101376)


@dataclass(frozen=True)
class ExampleCall:
    """Arguments of one call, without values: what a kernel is specialised for."""

    inputs: tuple[dict[str, object], ...]
    outputs: tuple[dict[str, object], ...]
    source: str

    @property
    def key(self) -> str:
        """For cache keys."""
        return json.dumps([self.inputs, self.outputs])


def example_call(problem: Problem) -> ExampleCall:
    """The arguments of the problem's first workload."""
    definition, workload = problem.definition, problem.workloads[0]
    inputs: list[dict[str, object]] = []
    for name, spec in definition.inputs.items():
        value = workload.inputs[name]
        inputs.append(
            {
                "shape": resolve_shape(definition, spec, workload),
                "dtype": spec.dtype,
                "value": value.value if isinstance(value, ScalarInput) else None,
            }
        )
    outputs: list[dict[str, object]] = [
        {"shape": resolve_shape(definition, spec, workload), "dtype": spec.dtype, "value": None}
        for spec in definition.outputs.values()
    ]
    return ExampleCall(tuple(inputs), tuple(outputs), f"{problem.name}, workload {workload.uuid}")


def compiled_ahead(solution: Solution) -> bool:
    """Whether a solution's kernels are compiled by its own host code."""
    return solution.spec.language == "triton" or (
        solution.spec.language == "python" and static.imports(solution, "cutlass")
    )


def ahead_compiler(solution: Solution) -> str:
    """What compiles them, with its version."""
    name = "triton" if solution.spec.language == "triton" else "nvidia-cutlass-dsl"
    try:
        return f"{name} {importlib.metadata.version(name)}"
    except importlib.metadata.PackageNotFoundError as error:
        raise AssayError(
            "compiler_missing", f"{name} is not installed.", f"pip install {name}"
        ) from error


def compile_ahead(
    solution: Solution, target: str, example: ExampleCall, sandbox: Sandbox, timeout_s: float
) -> tuple[TargetReport, list[Product]]:
    """Compile what the solution launches when it is called with the example's arguments."""
    started = time.monotonic()
    done = _run(solution, target, example, sandbox, timeout_s)
    products = [
        Product(target, PurePosixPath(name).suffix[1:], name, content)
        for name, content in sorted(done.outputs.items())
        if PurePosixPath(name).suffix in (".cubin", ".ptx")
    ][: 2 * MAX_KERNELS]
    problem = _problem(done, solution, bool(products), timeout_s)
    report = TargetReport(
        target=target,
        ok=problem is None,
        compiler=ahead_compiler(solution),
        seconds=round(time.monotonic() - started, 3),
        diagnostics=(with_remedy(problem),) if problem else (),
    )
    report, products = read_machine_code(report, products, sandbox, _launches(done.outputs))
    if report.ok and not report.kernels:
        unread = Diagnostic(
            severity="error", message=f"What was compiled holds no kernel: {report.note}"
        )
        report = report.model_copy(update={"ok": False, "diagnostics": (unread,)})
    note = f"compiled for the arguments of {example.source}; {report.note}"
    return report.model_copy(update={"note": note}), products


def _run(
    solution: Solution, target: str, example: ExampleCall, sandbox: Sandbox, timeout_s: float
) -> Completed:
    capability = int(target.removeprefix("sm_").rstrip("af"))
    sms, shared = _CHIPS[capability]
    job = {
        "library": LIBRARY,
        "language": solution.spec.language,
        "entry_file": solution.spec.entry_file,
        "entry_symbol": solution.spec.entry_symbol,
        "in_place": solution.spec.destination_passing_style,
        "target": target,
        "capability": capability,
        "sms": sms,
        "shared_bytes": shared,
        "inputs": example.inputs,
        "outputs": example.outputs,
    }
    return sandbox.run(
        Command(
            argv=(python(), "-I", "-B", PROGRAM, "/sandbox/in/job.json"),
            files={
                "job.json": json.dumps(job).encode(),
                **{f"src/{s.path}": s.content.encode() for s in solution.sources},
            },
            env={
                "OMP_NUM_THREADS": "1",
                "TRITON_CACHE_DIR": str(TRITON),
                "CUTE_DSL_ARCH": target,
                "CUTE_DSL_DUMP_DIR": str(CUTE),
                "CUTE_DSL_KEEP_CUBIN": "1",
                "CUTE_DSL_KEEP_PTX": "1",
            },
            limits=Limits(wall_s=timeout_s, cpu_s=max(2, int(timeout_s) * 2), processes=64),
        )
    )


def _problem(
    done: Completed, solution: Solution, compiled: bool, timeout_s: float
) -> Diagnostic | None:
    """Why there is no result, if there is none."""
    if done.timed_out:
        return Diagnostic(severity="error", message=f"stopped after {timeout_s:g} s")
    said = _load(done.outputs.get(ERROR))
    if said:
        return _located(said, solution)
    if done.returncode != 0:
        words = clean(done.stderr.decode("utf-8", "replace")[-600:])
        return Diagnostic(severity="error", message=words or f"exit status {done.returncode}")
    if not compiled:
        return Diagnostic(
            severity="error", message="The call launched no kernel, so none was compiled."
        )
    return None


def _located(said: dict[str, object], solution: Solution) -> Diagnostic:
    """What the inside says went wrong; it is only words."""
    file, line = said.get("file"), said.get("line")
    source = next((s.content.split("\n") for s in solution.sources if s.path == file), None)
    known = source is not None and isinstance(line, int) and 0 < line <= len(source)
    return Diagnostic(
        severity="error",
        message=clean(str(said.get("message"))),
        file=str(file) if source is not None else None,
        line=line if known and isinstance(line, int) else None,
        source_line=source[line - 1].strip()[:300]
        if known and source is not None and isinstance(line, int)
        else None,
    )


def _launches(outputs: dict[str, bytes]) -> dict[str, LaunchFacts]:
    """Block size and shared memory by kernel, as Triton's metadata says."""
    found = {}
    for name, content in outputs.items():
        said = _load(content) if name.endswith(".json") and name != ERROR else {}
        warps, shared, kernel = said.get("num_warps"), said.get("shared"), said.get("name")
        if isinstance(warps, int) and 0 < warps <= 32 and isinstance(kernel, str):
            known = shared if isinstance(shared, int) and 0 <= shared < 1 << 20 else None
            found[kernel] = LaunchFacts(32 * warps, known)
    return found


def _load(content: bytes | None) -> dict[str, object]:
    """JSON from the inside: an object, or nothing."""
    if content is None or len(content) > MAX_JSON_BYTES:
        return {}
    try:
        said = json.loads(content)
    except (ValueError, RecursionError):
        return {}
    return said if isinstance(said, dict) else {}
