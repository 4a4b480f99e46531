"""assay ncu, assay artifact: reports and other files."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated

import typer

from ncu.findings import findings
from ncu.reader import read_report
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
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Read an Nsight Compute report. Profiled time is not benchmark time."""
    summary = read_report(_report_path(report, state))
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
