"""Compilation as a service: store the solution, build it in the sandbox, keep what came out.

Results are cached by the hash of the solution, the targets, the options and the compilers' versions.
The cache holds reports; the built files are artifacts, checked against their hashes on every read.
"""

from __future__ import annotations

import asyncio
import os
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox import build
from sandbox.box import Sandbox
from sandbox.build import CompileOptions, TargetReport
from sandbox.errors import AssayError
from sandbox.gpu import find_gpu
from sandbox.solution import Solution
from server import access
from server.artifacts import ArtifactStore
from server.journal import Journal, Origin, require
from server.principals import Principal
from server.problems import Problems
from server.solutions import SolutionStore, describe

DEFAULT_TARGETS = {"cuda": ("sm_100a",)}


class BuiltFile(BaseModel):
    """A file that a compilation produced."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    target: str
    kind: str
    artifact_id: str


class CompileOutcome(BaseModel):
    """What compiling a solution gave."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    solution_id: str
    ok: bool
    cached: bool
    targets: tuple[TargetReport, ...]
    artifacts: tuple[BuiltFile, ...]


class Compiling:
    """Stores and compiles solutions."""

    def __init__(
        self,
        *,
        journal: Journal,
        problems: Problems,
        solutions: SolutionStore,
        artifacts: ArtifactStore,
        sandbox: Sandbox,
        cache: Path,
        slots: int,
        timeout_s: float,
    ) -> None:
        self._journal = journal
        self._problems = problems
        self._solutions = solutions
        self._artifacts = artifacts
        self._sandbox = sandbox
        self._cache = cache
        self._slots = asyncio.Semaphore(slots)
        self._timeout_s = timeout_s

    async def store(self, solution: Solution, origin: Origin) -> Solution:
        """Keep a solution under its content hash and say who submitted it."""
        submitters = self._journal.history.submitters.get(solution.solution_id, set())
        if origin.actor not in submitters:
            await asyncio.to_thread(self._solutions.put, solution)
            await self._journal.record("solution.stored", origin, describe(solution))
        return solution

    def visible(self, who: Principal, solution_id: str) -> Solution:
        """A stored solution that this principal may use."""
        if not access.may_see_solution(who, solution_id, self._journal.history):
            require(None, "solution", solution_id)
        return self._solutions.get(solution_id)

    def targets_for(self, solution: Solution, asked: list[str]) -> tuple[str, ...]:
        """The targets to compile for, checked."""
        targets = tuple(dict.fromkeys(asked)) or DEFAULT_TARGETS.get(
            solution.spec.language, ("cpu",)
        )
        build.check_targets(solution.spec.language, targets)
        return targets

    async def cached(
        self,
        solution: Solution,
        targets: tuple[str, ...],
        options: CompileOptions,
        origin: Origin,
        library: bool = False,
    ) -> CompileOutcome | None:
        """An earlier result for exactly this work, or None. Recorded like any other."""
        example = await asyncio.to_thread(self._example, solution)
        file = self._file(solution, targets, options, library, example)
        if not file.is_file():
            return None
        outcome = CompileOutcome.model_validate_json(file.read_bytes())
        outcome = outcome.model_copy(update={"cached": True})
        await self._record(outcome, origin)
        return outcome

    async def compile(
        self,
        solution: Solution,
        targets: tuple[str, ...],
        options: CompileOptions,
        origin: Origin,
        library: bool = False,
    ) -> CompileOutcome:
        """Compile, store what came out, and record it."""
        example = await asyncio.to_thread(self._example, solution)
        async with self._slots:
            report = await asyncio.to_thread(
                build.compile_solution,
                solution,
                targets,
                self._sandbox,
                options,
                library=library,
                example=example,
                timeout_s=self._timeout_s,
            )
        built = []
        for product in report.products:
            artifact = await asyncio.to_thread(
                self._artifacts.put, product.content, name=product.name, kind=product.kind
            )
            await self._journal.record("artifact.added", origin, artifact)
            built.append(
                BuiltFile(
                    target=product.target, kind=product.kind, artifact_id=artifact.artifact_id
                )
            )
        outcome = CompileOutcome(
            solution_id=solution.solution_id,
            ok=all(target.ok for target in report.targets),
            cached=False,
            targets=report.targets,
            artifacts=tuple(built),
        )
        file = self._file(solution, targets, options, library, example)
        await asyncio.to_thread(_write, file, outcome)
        await self._record(outcome, origin)
        return outcome

    async def library(self, solution: Solution, device: str, origin: Origin) -> Path | None:
        """What a runner loads of a compiled solution (cpp, cuda), built if need be; else None.

        Raises:
            AssayError: `does_not_compile`; `device_unavailable`; `needs_gpu`; `needs_cpu`.
        """
        if solution.spec.language not in ("cpp", "cuda"):
            return None
        target, options = "cpu", CompileOptions()
        if solution.spec.language == "cpp" and device != "cpu":
            raise AssayError(
                "needs_cpu",
                f"{solution.solution_id} is C++ for the host: it cannot read tensors on {device!r}.",
                "Use device='cpu', or submit it with language 'cuda' (which takes .cpp files, too).",
            )
        if solution.spec.language == "cuda":
            if device == "cpu":
                raise AssayError(
                    "needs_gpu",
                    f"{solution.solution_id} is CUDA: it cannot run on device 'cpu'.",
                    "Use device='cuda:0' on a machine with a GPU; compile_kernel works without one.",
                )
            target = (await asyncio.to_thread(find_gpu, device)).target
        outcome = await self.cached(solution, (target,), options, origin, library=True)
        if outcome is None:
            outcome = await self.compile(solution, (target,), options, origin, library=True)
        for built in outcome.artifacts:
            if built.kind == "so":
                return await asyncio.to_thread(self._artifacts.path, built.artifact_id)
        messages = [d.message for target in outcome.targets for d in target.diagnostics]
        raise AssayError(
            "does_not_compile",
            f"{solution.solution_id} does not compile for {target}: {'; '.join(messages[:3])}",
            "compile_kernel shows every diagnostic.",
        )

    async def _record(self, outcome: CompileOutcome, origin: Origin) -> None:
        await self._journal.record(
            "compile.finished",
            origin,
            {
                "solution_id": outcome.solution_id,
                "ok": outcome.ok,
                "cached": outcome.cached,
                "targets": [
                    {
                        "target": target.target,
                        "ok": target.ok,
                        "registers_max": max((k.registers for k in target.kernels), default=None),
                        "spill_bytes": sum(k.spill_bytes for k in target.kernels),
                    }
                    for target in outcome.targets
                ],
                "artifacts": [built.artifact_id for built in outcome.artifacts],
            },
        )

    def _example(self, solution: Solution) -> build.ExampleCall | None:
        """What Triton and CuTe DSL kernels are compiled for: arguments of the definition's problem."""
        known = solution.definition in self._journal.history.problems
        if not known or not build.compiled_ahead(solution):
            return None
        return build.example_call(self._problems.get(solution.definition))

    def _file(
        self,
        solution: Solution,
        targets: tuple[str, ...],
        options: CompileOptions,
        library: bool,
        example: build.ExampleCall | None,
    ) -> Path:
        key = build.cache_key(solution, targets, options, library=library, example=example)
        return self._cache / f"{key}.json"


def _write(path: Path, outcome: CompileOutcome) -> None:
    descriptor, temporary = tempfile.mkstemp(dir=path.parent, prefix=".new-")
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(outcome.model_dump_json())
    Path(temporary).replace(path)
