"""Benchmarking as a service: who may run what, the run, and its record.

The judge measures; this module decides whether a run may start, hands the judge hashes and paths
(never figures), and writes what came back into the ledger.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass

from pydantic import BaseModel, ConfigDict

from sandbox.errors import AssayError
from sandbox.judge.client import JudgeClient
from sandbox.judge.models import BenchJob, BenchResult
from sandbox.problem import Problem
from sandbox.solution import Solution
from server import access
from server.artifacts import ArtifactStore
from server.compiling import Compiling
from server.journal import Journal, Origin, new_id, require
from server.principals import Principal, Role
from server.problems import Problems
from server.records import RunRecord, WorkloadOutcome
from server.solutions import SolutionStore


class BenchOutcome(BaseModel):
    """A finished run."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    run: RunRecord


@dataclass(frozen=True)
class BenchRequest:
    """A run that may start."""

    solution: Solution
    problem: Problem
    campaign: str
    workload_uuids: tuple[str, ...]
    full: bool
    quick: bool
    device: str


class Benching:
    """Prepares, runs and records benchmarks."""

    def __init__(
        self,
        *,
        journal: Journal,
        problems: Problems,
        solutions: SolutionStore,
        artifacts: ArtifactStore,
        compiling: Compiling,
        judge: JudgeClient,
        timeout_s: float,
    ) -> None:
        self._journal = journal
        self._problems = problems
        self._solutions = solutions
        self._artifacts = artifacts
        self._compiling = compiling
        self._judge = judge
        self._timeout_s = timeout_s
        self._lease = asyncio.Lock()  # one measurement at a time: a shared core is not a clock

    async def prepare(
        self,
        who: Principal,
        *,
        solution_id: str,
        problem: str,
        workloads: str | list[str],
        device: str,
    ) -> BenchRequest:
        """Check that a run makes sense and that this principal may ask for it.

        Raises:
            AssayError: `unknown_*`, `not_recorded`, `wrong_definition`, `unknown_workload`.
        """
        history = self._journal.history
        if not access.may_see_solution(who, solution_id, history):
            require(None, "solution", solution_id)
        if who.role is Role.VERIFIER and not history.is_recorded(solution_id):
            raise AssayError(
                "not_recorded", f"{solution_id} is not a recorded candidate's solution.", ""
            )
        campaign = history.campaigns.get(problem)
        name = campaign.record.problem if campaign else problem
        pinned = await asyncio.to_thread(self._problems.get, name)
        solution = await asyncio.to_thread(self._solutions.get, solution_id)
        if solution.definition != pinned.definition.name:
            raise AssayError(
                "wrong_definition",
                f"{solution_id} is for definition {solution.definition!r}, but problem {name!r} "
                f"is about {pinned.definition.name!r}.",
                "Set the solution's definition field and compile it again.",
            )
        uuids = _select(pinned, workloads)
        return BenchRequest(
            solution=solution,
            problem=pinned,
            campaign=problem if campaign else name,
            workload_uuids=uuids,
            full=set(uuids) == {w.uuid for w in pinned.workloads},
            quick=workloads == "quick",
            device=device,
        )

    async def run(
        self, request: BenchRequest, origin: Origin, progress: Callable[[float, str], None]
    ) -> BenchOutcome:
        """Measure, and record the result whatever it is."""
        run_id = new_id("run")
        candidate_library = await self._compiling.library(request.solution, request.device, origin)
        baseline_library = await self._compiling.library(
            request.problem.baseline,
            request.device,
            Origin(actor="operator", role="server", tool=origin.tool),
        )
        await self._journal.record(
            "run.started",
            origin,
            {
                "run_id": run_id,
                "solution_id": request.solution.solution_id,
                "problem": request.problem.name,
                "problem_sha256": request.problem.sha256,
                "campaign": request.campaign,
                "device": request.device,
            },
        )
        job = BenchJob(
            problem_path=request.problem.root,
            problem_sha256=request.problem.sha256,
            solution=request.solution,
            workload_uuids=request.workload_uuids,
            device=request.device,
            candidate_library=candidate_library,
            baseline_library=baseline_library,
            quick=request.quick,
            timeout_s=self._timeout_s,
        )
        async with self._lease:
            result = await asyncio.to_thread(self._judge.bench, job, progress)
        artifact = await asyncio.to_thread(
            self._artifacts.put,
            result.model_dump_json(indent=1).encode(),
            name=f"{run_id}.json",
            kind="run",
        )
        await self._journal.record("artifact.added", origin, artifact)
        record = _record(run_id, request, result, artifact.artifact_id)
        await self._journal.record("run.finished", origin, record)
        return BenchOutcome(run=record)


def _select(problem: Problem, workloads: str | list[str]) -> tuple[str, ...]:
    every = tuple(workload.uuid for workload in problem.workloads)
    if workloads == "full":
        return every
    if workloads == "quick":
        return tuple(problem.quick_uuids())
    chosen = [workloads] if isinstance(workloads, str) else workloads
    unknown = [uuid for uuid in chosen if uuid not in every]
    if unknown or not chosen:
        raise AssayError(
            "unknown_workload",
            f"Problem {problem.name!r} has no workload {', '.join(u[:60] for u in unknown)!r}.",
            f"Use 'quick', 'full', or uuids such as {', '.join(every[:3])}.",
        )
    return tuple(uuid for uuid in every if uuid in chosen)


def _record(run_id: str, request: BenchRequest, result: BenchResult, artifact_id: str) -> RunRecord:
    return RunRecord(
        run_id=run_id,
        solution_id=request.solution.solution_id,
        problem=request.problem.name,
        problem_sha256=request.problem.sha256,
        campaign=request.campaign,
        workload_set="full" if request.full else "subset",
        device=request.device,
        passed=result.passed,
        official=result.official,
        assay=result.assay,
        faster=result.faster,
        speedup_geomean=_figure(result.speedup_geomean),
        speedup_mean=_figure(result.speedup_mean),
        speedup_min=_figure(result.speedup_min),
        integrity=result.integrity,
        sandbox_level=result.sandbox_level,
        artifact_id=artifact_id,
        workloads=tuple(
            WorkloadOutcome(
                uuid=workload.uuid,
                status=workload.status,
                latency_us=_figure(workload.latency_us),
                baseline_us=_figure(workload.baseline_us),
                speedup=_figure(workload.speedup),
                speedup_low=_figure(workload.speedup_low),
                speedup_high=_figure(workload.speedup_high),
                timing=workload.timing,
                roofline_us=_figure(workload.roofline_us),
                reported_us=_figure(workload.reported_us),
                caveats=workload.caveats,
                reason=workload.reason,
            )
            for workload in result.workloads
        ),
    )


def _figure(value: float | None) -> float | None:
    """Four significant digits: more would be noise to read. The artifact has the samples."""
    return None if value is None else float(f"{value:.4g}")
