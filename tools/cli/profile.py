"""assay ncu, assay artifact: reports and other files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ncu.compare import compare
from ncu.findings import findings
from ncu.reader import read_report
from ncu.render import render_report
from ncu.report import ReportSummary
from sandbox.errors import AssayError
from server.artifacts import ArtifactStore
from server.operator import add_artifact
from server.settings import load_settings
from server.state import State
from tools.cli.output import (
    JsonOption,
    StateOption,
    number,
    out,
    print_json,
    reports_errors,
    table,
)

artifact = typer.Typer(help="Stored files.", no_args_is_help=True)


@reports_errors
def ncu(
    report: Annotated[str, typer.Argument(help="An .ncu-rep file, or the id of a stored one.")],
    kernel: Annotated[
        str | None, typer.Option("--kernel", help="In full: kernels whose names contain this.")
    ] = None,
    compare_to: Annotated[
        str | None, typer.Option("--compare-to", help="An earlier report: what changed since.")
    ] = None,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Read an Nsight Compute report. Profiled time is not benchmark time."""
    summary = read_report(_report_path(report, state))
    if compare_to is not None:
        _compare(read_report(_report_path(compare_to, state)), summary, kernel, json_output)
        return
    found = [(kernel, findings(kernel)) for kernel in summary.kernels]
    if json_output:
        body = summary.model_dump(mode="json")
        body["kernels"] = [
            kernel.model_dump(mode="json")
            | {"findings": [finding.model_dump(mode="json") for finding in items]}
            for kernel, items in found
        ]
        print_json(body)
        return
    if kernel is not None:
        out.print(render_report(summary, kernel=kernel), markup=False, highlight=False)
        return
    table(
        f"{Path(report).name} on {summary.device or 'unknown device'} (profiled, not benchmarked)",
        ("kernel", "µs", "compute %", "memory %", "occupancy %", "first finding"),
        [
            (
                kernel.name,
                number(kernel.duration_us, 1),
                number(kernel.compute_throughput_pct, 1),
                number(kernel.memory_throughput_pct, 1),
                number(kernel.achieved_occupancy_pct, 1),
                items[0].title if items else "nothing severe",
            )
            for kernel, items in found
        ],
    )


def _compare(
    before: ReportSummary, after: ReportSummary, kernel: str | None, json_output: bool
) -> None:
    """Kernels of the same name, the longest first."""
    chosen = [k for k in after.kernels if kernel is None or kernel in k.name]
    earlier = {k.short_name: k for k in before.kernels}
    found = [compare(earlier[k.short_name], k) for k in chosen if k.short_name in earlier]
    if not found:
        raise AssayError("unknown_kernel", "The two reports share no kernel that was asked for.")
    if json_output:
        print_json({"comparisons": [item.model_dump(mode="json") for item in found]})
        return
    for item in found:
        table(
            f"{item.after}: gone {', '.join(item.findings_gone) or 'nothing'}; "
            f"new {', '.join(item.findings_new) or 'nothing'}",
            ("what", "before", "after", "change %", "better"),
            [
                (d.what, number(d.before, 1), number(d.after, 1), number(d.change_pct, 1), d.better)
                for d in item.deltas
            ],
        )


def _report_path(report: str, state: Path | None) -> Path:
    """A file as named, or an artifact of the state directory, checked against its hash."""
    if not report.startswith("art_") or Path(report).exists():
        return Path(report)
    settings = load_settings(state)
    return ArtifactStore(State(settings.state).artifacts, settings.max_artifact_bytes).path(report)


@artifact.command("add")
@reports_errors
def artifact_add(file: Path, state: StateOption = None, json_output: JsonOption = False) -> None:
    """Store a file (say, a report captured elsewhere) where every principal can read it."""
    stored = add_artifact(load_settings(state), file)
    print_json(stored) if json_output else out.print(f"{stored.artifact_id}  {stored.name}")
