"""compile_kernel: store a solution and compile it, with no GPU, in the sandbox."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from sandbox.build import CompileOptions, TargetReport
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


class Artifacts(Out):
    target: str
    kind: str
    artifact_id: str


class CompileOut(Out):
    solution_id: str = Field(description="Content hash of the solution: name it in other tools.")
    ok: bool = Field(description="Every target compiled.")
    cached: bool
    targets: list[TargetReport]
    artifacts: list[Artifacts]
    job: JobHandle | None = Field(default=None, description="Set while the work is unfinished.")


def _shape(outcome: CompileOutcome) -> CompileOut:
    return CompileOut(
        solution_id=outcome.solution_id,
        ok=outcome.ok,
        cached=outcome.cached,
        targets=list(outcome.targets),
        artifacts=[
            Artifacts(target=a.target, kind=a.kind, artifact_id=a.artifact_id)
            for a in outcome.artifacts
        ],
    )


async def _handle(call: Call, args: CompileIn) -> CompileOut:
    compiling = call.services.compiling
    if (args.solution is None) == (args.solution_id is None):
        raise AssayError(
            "invalid_arguments",
            "compile_kernel needs exactly one of solution and solution_id.",
            "Pass the whole Solution the first time; afterwards its solution_id is enough.",
        )
    source = origin(call, NAME)
    if args.solution is not None:
        solution = await compiling.store(args.solution, source)
    else:
        solution = compiling.visible(call.principal, str(args.solution_id))
    targets = compiling.targets_for(solution, args.targets)
    cached = await compiling.cached(solution, targets, args.options, source)
    if cached is not None:
        return _shape(cached)

    async def work(progress: object) -> CompileOutcome:
        return await compiling.compile(solution, targets, args.options, source)

    job, outcome = await start_and_wait(call, NAME, work)
    if isinstance(outcome, CompileOutcome):
        return _shape(outcome)
    return CompileOut(
        solution_id=solution.solution_id,
        ok=False,
        cached=False,
        targets=[],
        artifacts=[],
        job=handle(job),
    )


TOOL = Tool(
    name=NAME,
    title="Compile a kernel",
    description=(
        "Store a solution and compile it in a sandbox, without a GPU. Returns solution_id (a "
        "content hash), and per target: ok, diagnostics (file, line, column, message) and, for "
        "CUDA, registers, spills, stack and shared memory per kernel. Compile for sm_100a (B200) "
        "or sm_90a (H100) on any machine. Same content again answers from the cache. "
        "Next: run_bench."
    ),
    input_model=CompileIn,
    output_model=CompileOut,
    roles=frozenset({Role.WRITER}),
    handler=_handle,
    read_only=False,
)
