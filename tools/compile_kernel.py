"""compile_kernel: store a solution and compile it, with no GPU, in the sandbox."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sandbox import build
from sandbox.build import Change, CompileOptions, TargetReport
from sandbox.errors import AssayError
from sandbox.solution import Solution
from server.compiling import CompileOutcome
from server.principals import Role
from server.tooling import Call, Tool
from tools.long_work import origin, start_and_wait
from tools.models import In, JobHandle, Out, handle

NAME = "compile_kernel"


class CompileIn(In):
    solution: Solution | None = Field(
        default=None,
        description="A flashinfer-bench Solution. Give this or solution_id, not both.",
    )
    solution_id: str | None = Field(
        default=None, description="A stored solution to compile again, e.g. for another target."
    )
    targets: Annotated[list[str], Field(max_length=6)] = Field(
        default_factory=list,
        description="Any of cpu, sm_90a, sm_100a, sm_103a. "
        "Default: cpu for python, triton and cpp; sm_100a for cuda.",
    )
    options: CompileOptions = Field(
        default_factory=CompileOptions, description="The only compiler flags there are."
    )
    compare_to: str | None = Field(
        default=None,
        description="A stored solution_id: what changed since, for the same targets and options.",
    )


class Artifacts(Out):
    target: str
    kind: str
    artifact_id: str


class Comparison(Out):
    target: str
    changes: list[Change] = Field(description="Every figure that differs; empty: none does.")


class CompileOut(Out):
    solution_id: str = Field(description="Content hash of the solution: name it in other tools.")
    ok: bool = Field(description="Every target compiled.")
    cached: bool
    targets: list[TargetReport]
    artifacts: list[Artifacts]
    comparison: list[Comparison] = Field(default_factory=list, description="With compare_to.")
    job: JobHandle | None = Field(default=None, description="Set while the work is unfinished.")


async def _handle(call: Call, args: CompileIn) -> CompileOut:
    compiling = call.services.compiling
    if (args.solution is None) == (args.solution_id is None):
        raise AssayError(
            "invalid_arguments",
            "compile_kernel needs exactly one of solution and solution_id.",
            "Pass the whole Solution the first time; afterwards its solution_id is enough.",
        )
    source = origin(call, NAME)
    other = compiling.visible(call.principal, args.compare_to) if args.compare_to else None
    if args.solution is not None:
        solution = await compiling.store(args.solution, source)
    else:
        solution = compiling.visible(call.principal, str(args.solution_id))
    targets = compiling.targets_for(solution, args.targets)
    if other is not None:
        compiling.targets_for(other, list(targets))

    async def one(wanted: Solution) -> CompileOutcome:
        cached = await compiling.cached(wanted, targets, args.options, source)
        return cached or await compiling.compile(wanted, targets, args.options, source)

    async def work(progress: object) -> CompileOut:
        return shape(await one(solution), await one(other) if other else None)

    if other is None:
        cached = await compiling.cached(solution, targets, args.options, source)
        if cached is not None:
            return shape(cached)
    job, done = await start_and_wait(call, NAME, work)
    if isinstance(done, CompileOut):
        return done
    return CompileOut(
        solution_id=solution.solution_id,
        ok=False,
        cached=False,
        targets=[],
        artifacts=[],
        job=handle(job),
    )


def shape(outcome: CompileOutcome, other: CompileOutcome | None = None) -> CompileOut:
    """The answer; with another outcome for the same targets, what changed since that one."""
    pairs = zip(other.targets, outcome.targets, strict=True) if other else ()
    return CompileOut(
        solution_id=outcome.solution_id,
        ok=outcome.ok,
        cached=outcome.cached,
        targets=list(outcome.targets),
        artifacts=[
            Artifacts(target=a.target, kind=a.kind, artifact_id=a.artifact_id)
            for a in outcome.artifacts
        ],
        comparison=[
            Comparison(target=now.target, changes=list(build.compare(before, now)))
            for before, now in pairs
        ],
    )


TOOL = Tool(
    name=NAME,
    title="Compile a kernel",
    description=(
        "Store a solution and compile it in a sandbox, without a GPU. Returns solution_id (a "
        "content hash), and per target: ok, diagnostics (file, line, message, remedy) and, for "
        "CUDA and Triton, per kernel what the machine code says: registers, spills, shared memory, "
        "occupancy, which tensor-core path it takes (tcgen05, wgmma, mma.sync) and for which input "
        "types, load widths, hottest loops, and hints. compare_to shows what changed. Compile for "
        "sm_100a (B200) or sm_90a (H100) on any machine. Same content again answers from the "
        "cache. Next: run_bench."
    ),
    input_model=CompileIn,
    output_model=CompileOut,
    roles=frozenset({Role.WRITER}),
    handler=_handle,
    read_only=False,
)
