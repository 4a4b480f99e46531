"""profile_ncu: capture a solution, or read a report, and say what it shows."""

from __future__ import annotations

from pydantic import Field, PrivateAttr

from ncu.capture import Depth
from ncu.report import Finding, KernelProfile, ProfileComparison, Section
from ncu.sanitizer import SanitizerReport
from sandbox.errors import AssayError
from server.capturing import CaptureRequest
from server.principals import Role
from server.profiling import ProfileOutcome
from server.records import CaptureRecord
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
    depth: Depth = Field(
        default="survey",
        description="Of a capture: survey (seconds), full (all sections and a timeline), source "
        "(where warps wait, by line), sanitize (memory errors, races, uninitialised reads, barriers).",
    )
    problem: str | None = Field(
        default=None,
        description="Of a capture: the pinned problem; by default the definition's name.",
    )
    workload: str | None = Field(
        default=None, description="Of a capture: a workload's uuid; by default the first quick one."
    )
    device: str = Field(default="cuda:0", description="Of a capture.")
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
    capture: CaptureRecord | None = Field(
        default=None, description="Of a capture: with what; artifact_id names the report."
    )
    sanitizer: list[SanitizerReport] = Field(default_factory=list, description="With sanitize.")
    job: JobHandle | None = Field(default=None, description="Set while the work is unfinished.")
    _text: str = PrivateAttr(default="")

    def captured(self, capture: CaptureRecord | None) -> ProfileNcuOut:
        """The same, with where the report came from."""
        if capture is None:
            return self
        self.capture = capture
        if self._text:
            self._text += f"\nReport: {capture.artifact_id} ({capture.depth}, {capture.workload})"
        return self

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
    source, services = origin(call, NAME), call.services
    request = await _capture_request(call, args) if args.solution_id else None

    async def work(progress: object) -> ProfileNcuOut:
        capture = await services.capturing.capture(request, source) if request else None
        if capture is not None and args.depth == "sanitize":
            return _sanitized(capture, services.capturing.sanitizer_reports(capture))
        read = services.profiling.read
        artifact_id = capture.artifact_id if capture else str(args.artifact_id)
        outcome = await read(
            call.principal, artifact_id, source, args.metric or "", args.solution_id
        )
        earlier = None
        if args.compare_to:
            earlier = await read(call.principal, args.compare_to, source)
        return shape(outcome, args, earlier).captured(capture)

    job, answer = await start_and_wait(call, NAME, work)
    if isinstance(answer, ProfileNcuOut):
        return answer
    return ProfileNcuOut(
        profile_id=None, headline="Still at work.", device=None, kernels=[], job=handle(job)
    )


async def _capture_request(call: Call, args: ProfileNcuIn) -> CaptureRequest:
    """What to capture, checked before any work starts."""
    solution_id = str(args.solution_id)
    solution = call.services.compiling.visible(call.principal, solution_id)
    bench = await call.services.benching.prepare(
        call.principal,
        solution_id=solution_id,
        problem=args.problem or solution.definition,
        workloads=[args.workload] if args.workload else "quick",
        device=args.device,
    )
    return CaptureRequest(bench, args.depth)


def _sanitized(capture: CaptureRecord, reports: tuple[SanitizerReport, ...]) -> ProfileNcuOut:
    found = [f"{r.tool}: {'not finished' if r.errors is None else r.errors}" for r in reports]
    return ProfileNcuOut(
        profile_id=None,
        headline=f"compute-sanitizer, errors by tool: {', '.join(found)}.",
        device=capture.device,
        kernels=[],
        capture=capture,
        sanitizer=list(reports),
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
        "Capture a solution on a GPU (solution_id, depth) or read a stored .ncu-rep report "
        "(artifact_id): kernels by their share of time, and for the longest the "
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
