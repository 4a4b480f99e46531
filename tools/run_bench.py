"""run_bench: check a solution and measure it against the pinned baseline."""

from __future__ import annotations

from collections.abc import Callable

from pydantic import Field

from server.benching import BenchOutcome
from server.principals import Role
from server.records import RunRecord
from server.tooling import Call, Tool
from tools.long_work import origin, start_and_wait
from tools.models import In, JobHandle, Out, handle

NAME = "run_bench"


class RunBenchIn(In):
    solution_id: str = Field(description="From compile_kernel, or of a recorded candidate.")
    problem: str = Field(description="Name of a pinned problem (or campaign): see get_campaign.")
    workloads: str | list[str] = Field(
        default="quick",
        description="'quick' (a few, for iterating), 'full' (all: the only kind that counts for "
        "promotion), or a list of workload uuids. Default 'quick'.",
    )
    device: str = Field(
        default="cpu", description="'cpu', or 'cuda:0' (cuda:1, …) on a GPU machine."
    )


class RunBenchOut(Out):
    run: RunRecord | None = Field(description="The measurement; null while the job runs.")
    raw: str | None = Field(default=None, description="Artifact id of samples, seeds, environment.")
    summary: str
    job: JobHandle | None = Field(default=None, description="Set while the work is unfinished.")


async def _handle(call: Call, args: RunBenchIn) -> RunBenchOut:
    benching = call.services.benching
    source = origin(call, NAME)
    request = await benching.prepare(
        call.principal,
        solution_id=args.solution_id,
        problem=args.problem,
        workloads=args.workloads,
        device=args.device,
    )

    async def work(progress: Callable[[float, str], None]) -> BenchOutcome:
        return await benching.run(request, source, progress)

    job, outcome = await start_and_wait(call, NAME, work)
    if isinstance(outcome, BenchOutcome):
        return RunBenchOut(
            run=outcome.run, raw=outcome.run.artifact_id, summary=summarise(outcome.run)
        )
    return RunBenchOut(run=None, summary="Still measuring.", job=handle(job))


def summarise(run: RunRecord) -> str:
    """One line that stands by itself."""
    if not run.passed:
        reasons = list(dict.fromkeys(w.reason for w in run.workloads if w.reason))
        return f"Rejected (official: {run.official}, assay: {run.assay}). " + " ".join(reasons[:2])
    verdict = "faster than" if run.faster else "not shown to be faster than"
    return (
        f"Correct on {len(run.workloads)} workloads ({run.workload_set}); {verdict} the pinned "
        f"baseline: geometric mean {run.speedup_geomean:.3f}x, worst {run.speedup_min:.3f}x."
    )


TOOL = Tool(
    name=NAME,
    title="Benchmark a solution",
    description=(
        "Check a solution against the reference and measure it against the problem's pinned "
        "baseline, interleaved in the same run, from outside the process that runs it. Inputs are "
        "fresh and random for every call that counts; outputs are poisoned before and verified "
        "after. Returns per workload: status, latency_us, baseline_us, speedup with a 95 % "
        "interval, and the reason where rejected. A verifier may run recorded solutions only."
    ),
    input_model=RunBenchIn,
    output_model=RunBenchOut,
    roles=frozenset({Role.WRITER, Role.VERIFIER}),
    handler=_handle,
    read_only=False,
    idempotent=False,
)
