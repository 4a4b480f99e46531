"""profile_ncu: read an Nsight Compute report and say what it shows."""

from __future__ import annotations

from pydantic import Field

from ncu.capture import require_capture
from ncu.findings import findings
from ncu.report import Finding, KernelProfile
from sandbox.errors import AssayError
from server.principals import Role
from server.profiling import ProfileOutcome
from server.tooling import Call, Tool
from tools.long_work import origin, start_and_wait
from tools.models import In, JobHandle, Out, handle

NAME = "profile_ncu"
MAX_KERNELS = 8


class ProfileNcuIn(In):
    artifact_id: str | None = Field(default=None, description="A stored .ncu-rep to read.")
    solution_id: str | None = Field(
        default=None, description="Instead: a solution to capture, on a machine with a GPU."
    )
    kernel: str | None = Field(
        default=None, description="Only kernels whose name contains this.", max_length=200
    )


class ProfiledKernel(Out):
    kernel: KernelProfile
    findings: list[Finding] = Field(description="Ranked; each with its evidence and what to try.")


class ProfileNcuOut(Out):
    profile_id: str | None
    headline: str
    device: str | None
    note: str = "Profiled time is not benchmark time: clocks, caches and replay differ."
    kernels: list[ProfiledKernel]
    omitted: int = Field(default=0, description="Kernels left out; narrow down with kernel=.")
    job: JobHandle | None = Field(default=None, description="Set while the work is unfinished.")


async def _handle(call: Call, args: ProfileNcuIn) -> ProfileNcuOut:
    if (args.artifact_id is None) == (args.solution_id is None):
        raise AssayError(
            "invalid_arguments",
            "profile_ncu needs exactly one of artifact_id and solution_id.",
            "Give artifact_id to read a report, solution_id to capture one.",
        )
    if args.solution_id is not None:
        require_capture(args.solution_id)
    source = origin(call, NAME)
    artifact_id = str(args.artifact_id)

    async def work(progress: object) -> ProfileOutcome:
        return await call.services.profiling.read(call.principal, artifact_id, source)

    job, outcome = await start_and_wait(call, NAME, work)
    if isinstance(outcome, ProfileOutcome):
        return shape(outcome, args.kernel)
    return ProfileNcuOut(
        profile_id=None, headline="Still reading.", device=None, kernels=[], job=handle(job)
    )


def shape(outcome: ProfileOutcome, pattern: str | None) -> ProfileNcuOut:
    """The longest kernels first, each with its findings."""
    chosen = [k for k in outcome.report.kernels if pattern is None or pattern in k.name]
    if not chosen:
        names = ", ".join(kernel.name for kernel in outcome.report.kernels[:8])
        raise AssayError(
            "unknown_kernel", f"No kernel's name contains {pattern!r}.", f"Kernels: {names}."
        )
    chosen.sort(key=lambda kernel: -(kernel.duration_us or 0.0))
    return ProfileNcuOut(
        profile_id=outcome.profile.profile_id,
        headline=outcome.profile.headline,
        device=outcome.report.device,
        kernels=[
            ProfiledKernel(kernel=kernel.brief(), findings=list(findings(kernel)))
            for kernel in chosen[:MAX_KERNELS]
        ],
        omitted=max(0, len(chosen) - MAX_KERNELS),
    )


TOOL = Tool(
    name=NAME,
    title="Profile with Nsight Compute",
    description=(
        "Read a stored .ncu-rep report: per kernel the duration, speed-of-light, occupancy, top "
        "stall reasons, launch configuration, NVIDIA's rule results, and ranked findings with "
        "evidence and what to try first. Absent metrics are null, never zero. Profiled time is "
        "never a benchmark number."
    ),
    input_model=ProfileNcuIn,
    output_model=ProfileNcuOut,
    roles=frozenset({Role.WRITER, Role.VERIFIER}),
    handler=_handle,
    read_only=False,
)
