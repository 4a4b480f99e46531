"""assay bench: the twin of run_bench."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.markup import escape
from rich.progress import BarColumn, Progress, SpinnerColumn, TextColumn, TimeElapsedColumn

from server.journal import Origin
from server.records import RunRecord
from server.scratch import OPERATOR_PRINCIPAL, Bench, command_services, problem_source
from server.settings import load_settings
from tools.cli.compiler import read_solution
from tools.cli.output import (
    JsonOption,
    StateOption,
    err,
    number,
    out,
    print_json,
    reports_errors,
    table,
)
from tools.run_bench import summarise

OPERATOR = Origin(actor="operator", role="operator", tool="run_bench")


@reports_errors
def bench(
    solution: Annotated[Path, typer.Argument(help="Solution JSON.")],
    problem: Annotated[str, typer.Option("--problem", help="A problem's name or directory.")],
    workloads: Annotated[
        str, typer.Option(help="quick, full, or uuids separated by commas.")
    ] = "quick",
    device: Annotated[str, typer.Option(help="cpu, or cuda:0 on a GPU machine.")] = "cpu",
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check a solution and measure it against the pinned baseline. Exit 0 only if it passed."""
    settings = load_settings(state)
    source = problem_source(settings, problem)
    with (
        command_services(settings) as opened,
        Progress(
            SpinnerColumn(),
            TextColumn("{task.description}"),
            BarColumn(),
            TimeElapsedColumn(),
            console=err,
            transient=True,
            disable=json_output,
        ) as bar,
    ):
        run = asyncio.run(_bench(opened, solution, source, workloads, device, bar))
        note = opened.note
    if json_output:
        print_json(_document(run))
    else:
        _show(run)
        err.print(f"[dim]{note}[/]")
    if not run.passed:
        raise typer.Exit(1)


async def _bench(
    opened: Bench, path: Path, source: Path, workloads: str, device: str, bar: Progress
) -> RunRecord:
    services = opened.services
    problem = services.problems.register(source)
    solution = read_solution(path, problem.definition.name)
    await services.compiling.store(solution, OPERATOR)
    request = await services.benching.prepare(
        OPERATOR_PRINCIPAL,
        solution_id=solution.solution_id,
        problem=problem.name,
        workloads=workloads if workloads in ("quick", "full") else workloads.split(","),
        device=device,
    )
    task = bar.add_task("starting", total=1.0)
    outcome = await services.benching.run(
        request,
        OPERATOR,
        lambda fraction, doing: bar.update(task, completed=fraction, description=doing),
    )
    return outcome.run


def _document(run: RunRecord) -> dict[str, Any]:
    return run.model_dump(mode="json") | {"summary": summarise(run)}


def _show(run: RunRecord) -> None:
    table(
        f"{run.problem} ({run.workload_set}, {run.device}, {run.integrity}, {run.sandbox_level})",
        ("workload", "status", "latency µs", "baseline µs", "speedup", "95 % interval", "reason"),
        [
            (
                w.uuid[:8],
                w.status,
                number(w.latency_us, 1),
                number(w.baseline_us, 1),
                number(w.speedup),
                None
                if w.speedup_low is None or w.speedup_high is None
                else f"{w.speedup_low:.3f} – {w.speedup_high:.3f}",
                w.reason or "",
            )
            for w in run.workloads
        ],
    )
    out.print("[green]passed[/]" if run.passed else "[red]rejected[/]")
    out.print(escape(summarise(run)))
