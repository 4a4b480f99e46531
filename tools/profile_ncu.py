"""profile_ncu: read an Nsight Compute report and say what it shows."""

from __future__ import annotations

from pydantic import Field, PrivateAttr

from ncu.capture import require_capture
from ncu.report import Finding, KernelProfile, ProfileComparison, Section
from sandbox.errors import AssayError
from server.principals import Role
from server.profiling import ProfileOutcome
from server.tooling import Call, Tool
from tools.long_work import origin, start_and_wait
from tools.models import In, JobHandle, Out, handle

NAME = "profile_ncu"
DETAILED, LISTED = 3, 20


class ProfileNcuIn(In):
    artifact_id: str | None = Field(default=None, description="A stored .ncu-rep to read.")
    solution_id: str | None = Field(
        default=None, description="Instead: a solution to capture, on a machine with a GPU."
    )
    kernel: str | None = Field(
        default=None, description="Only kernels whose name contains this.", max_length=200
    )
    section: Section | None = Field(
        default=None,
        description="Show this in full: lines, instructions (where warps wait), timeline, rules "
        "(NVIDIA's), or metrics.",
    )
    line: str | None = Field(
        default=None, description="Instructions of one source line, as file:line.", max_length=300
    )
    metric: str | None = Field(
        default=None,
        description="Metrics whose names contain this, as NVIDIA spells them.",
        min_length=3,
        max_length=100,
    )
    compare_to: str | None = Field(
        default=None, description="An earlier report: what got better, what worse since."
    )
    expect_gone: str | None = Field(
        default=None,
        description="With compare_to: id of the finding that the change was to remove.",
        max_length=40,
    )


class ProfiledKernel(Out):
    kernel: KernelProfile
    findings: list[Finding] = Field(description="Ranked; each with its evidence and what to try.")


class KernelShare(Out):
    """A line of the overview."""

    name: str
    duration_us: float | None
    share_pct: float | None = Field(description="Of the profiled time of all kernels listed.")
    first_finding: str


class ProfileNcuOut(Out):
    profile_id: str | None
    headline: str
    device: str | None
    note: str = "Profiled time is not benchmark time: clocks, caches and replay differ."
    overview: list[KernelShare] = Field(
        default_factory=list, description="All kernels, longest first."
    )
    kernels: list[ProfiledKernel] = Field(description="The longest ones.")
    comparison: ProfileComparison | None = Field(default=None, description="With compare_to.")
    job: JobHandle | None = Field(default=None, description="Set while the work is unfinished.")
    _text: str = PrivateAttr(default="")

    def text(self) -> str:
        """The same for reading, in less than 4 kB unless a section was asked for."""
        if self._text:
            return self._text
        return self.model_dump_json(exclude_none=True)


async def _handle(call: Call, args: ProfileNcuIn) -> ProfileNcuOut:
    if (args.artifact_id is None) == (args.solution_id is None):
        raise AssayError(
            "invalid_arguments",
            "profile_ncu needs exactly one of artifact_id and solution_id.",
            "Give artifact_id to read a report, solution_id to capture one.",
        )
    if args.expect_gone and not args.compare_to:
        raise AssayError(
            "invalid_arguments", "expect_gone needs compare_to.", "Give the earlier report."
        )
    if args.solution_id is not None:
        require_capture(args.solution_id)
    source, profiling = origin(call, NAME), call.services.profiling
    artifact_id = str(args.artifact_id)

    async def work(progress: object) -> ProfileNcuOut:
        outcome = await profiling.read(call.principal, artifact_id, source, args.metric or "")
        earlier = None
        if args.compare_to:
            earlier = await profiling.read(call.principal, args.compare_to, source)
        return shape(outcome, args, earlier)

    job, answer = await start_and_wait(call, NAME, work)
    if isinstance(answer, ProfileNcuOut):
        return answer
    return ProfileNcuOut(
        profile_id=None, headline="Still reading.", device=None, kernels=[], job=handle(job)
    )


def shape(
    outcome: ProfileOutcome, args: ProfileNcuIn, earlier: ProfileOutcome | None = None
) -> ProfileNcuOut:
    """An overview of all kernels, and the longest ones with their findings."""
    from ncu.findings import findings  # here and below: a server that starts should not wait for it
    from ncu.render import render_report

    chosen = _chosen(outcome, args.kernel)
    total = sum(kernel.duration_us or 0.0 for kernel in chosen)
    answer = ProfileNcuOut(
        profile_id=outcome.profile.profile_id,
        headline=outcome.profile.headline,
        device=outcome.report.device,
        overview=[
            KernelShare(
                name=kernel.short_name,
                duration_us=kernel.duration_us,
                share_pct=100.0 * kernel.duration_us / total if kernel.duration_us else None,
                first_finding=findings(kernel)[0].id,
            )
            for kernel in chosen[:LISTED]
        ],
        kernels=[
            ProfiledKernel(kernel=_detail(kernel, args), findings=list(findings(kernel)))
            for kernel in chosen[:DETAILED]
        ],
        comparison=_comparison(chosen[0], earlier, args) if earlier else None,
    )
    if not (args.section or args.line or args.metric or earlier):
        answer._text = render_report(outcome.report, kernel=args.kernel)
    return answer


def _chosen(outcome: ProfileOutcome, pattern: str | None) -> list[KernelProfile]:
    """Kernels by name, longest first."""
    chosen = [k for k in outcome.report.kernels if pattern is None or pattern in k.name]
    if not chosen:
        names = ", ".join(kernel.name for kernel in outcome.report.kernels[:8])
        raise AssayError(
            "unknown_kernel", f"No kernel's name contains {pattern!r}.", f"Kernels: {names}."
        )
    return sorted(chosen, key=lambda kernel: -(kernel.duration_us or 0.0))


def _detail(kernel: KernelProfile, args: ProfileNcuIn) -> KernelProfile:
    if args.metric:
        asked = {name: m for name, m in kernel.metrics.items() if args.metric in name}
        return kernel.brief().model_copy(update={"metrics": asked})
    return kernel.brief(args.section, args.line)


def _comparison(
    kernel: KernelProfile, earlier: ProfileOutcome, args: ProfileNcuIn
) -> ProfileComparison:
    """With the kernel of the same name, or else with the longest one."""
    from ncu.compare import compare

    others = sorted(earlier.report.kernels, key=lambda other: -(other.duration_us or 0.0))
    if not others:
        raise AssayError("unknown_kernel", f"{args.compare_to} has no kernels.", "")
    same = (other for other in others if other.short_name == kernel.short_name)
    return compare(next(same, others[0]), kernel, args.expect_gone)


TOOL = Tool(
    name=NAME,
    title="Profile with Nsight Compute",
    description=(
        "Read a stored .ncu-rep report: kernels by their share of time, and for the longest the "
        "duration, speed-of-light, roofline position, occupancy, stall reasons, hottest source "
        "lines and instructions, and at most five ranked findings with evidence, what to try first "
        "and when not to. Ask on with section=, line=, metric=, kernel=; compare_to says what got "
        "better or worse since an earlier report, and with expect_gone whether the change did what "
        "it was to do. Absent metrics are null, never zero. Profiled time is never a benchmark "
        "number."
    ),
    input_model=ProfileNcuIn,
    output_model=ProfileNcuOut,
    roles=frozenset({Role.WRITER, Role.VERIFIER}),
    handler=_handle,
    read_only=False,
)
