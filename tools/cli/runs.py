"""assay run: what a run measured, sample by sample."""

from __future__ import annotations

import re
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.markup import escape

from sandbox.errors import AssayError
from sandbox.judge.models import BenchResult, Samples, WorkloadResult
from server.artifacts import ArtifactStore
from server.ledger.query import run_query
from server.settings import load_settings
from server.state import State
from tools.cli.output import JsonOption, StateOption, out, print_json, reports_errors, table

if TYPE_CHECKING:
    from matplotlib.axes import Axes

run = typer.Typer(help="Finished runs.", no_args_is_help=True)

WIDTH = 64
LEVELS = " ▁▂▃▄▅▆▇█"


@run.command("show")
@reports_errors
def run_show(
    run_id: Annotated[str, typer.Argument(help="As run_bench gave it.")],
    plot: Annotated[bool, typer.Option("--plot", help="Draw the samples of both arms.")] = False,
    png: Annotated[Path | None, typer.Option("--png", help="Draw them into this file.")] = None,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Show a run from its raw record, which is checked against its hash."""
    result = _load(run_id, state)
    if png is not None:
        _draw(run_id, result, png)
    if json_output:
        print_json(result)
        return
    table(
        f"{run_id}  {result.environment.device}, {result.integrity}, seed {result.seed}",
        ("workload", "status", "latency µs", "baseline µs", "speedup", "95 %", "calls", "timing"),
        [_row(workload) for workload in result.workloads],
    )
    if plot:
        for workload in result.workloads:
            if workload.samples is not None:
                out.print(
                    escape("\n".join(_strip(workload.uuid, workload.samples))), highlight=False
                )


def _load(run_id: str, state: Path | None) -> BenchResult:
    if not re.fullmatch(r"run_[0-9a-f]+", run_id):
        raise AssayError(
            "unknown_run", f"{run_id[:60]!r} is not a run id.", "Ids: run_ and digits."
        )
    settings = load_settings(state)
    opened = State(settings.state)
    opened.require()
    found = run_query(opened.ledger, f"SELECT artifact_id FROM runs WHERE run_id = '{run_id}'")  # noqa: S608
    if not found.rows:
        raise AssayError(
            "unknown_run",
            f"There is no finished run {run_id}.",
            'See: assay audit query "SELECT run_id, problem, actor FROM runs"',
        )
    store = ArtifactStore(opened.artifacts, settings.max_artifact_bytes)
    return BenchResult.model_validate_json(store.path(str(found.rows[0][0])).read_bytes())


def _row(workload: WorkloadResult) -> tuple[object, ...]:
    interval = (
        f"{workload.speedup_low:.3f} to {workload.speedup_high:.3f}"
        if workload.speedup_low and workload.speedup_high
        else None
    )
    return (
        workload.uuid[:8],
        workload.status,
        _figure(workload.latency_us),
        _figure(workload.baseline_us),
        _figure(workload.speedup),
        interval,
        workload.verified_calls,
        workload.timing,
    )


def _figure(value: float | None) -> str | None:
    return None if value is None else f"{value:.4g}"


def _strip(name: str, samples: Samples) -> list[str]:
    """Both arms' samples as histograms over one axis, in microseconds a call."""
    every = (*samples.candidate_us, *samples.baseline_us)
    low, high = min(every), max(every)
    step = (high - low) / WIDTH or 1.0
    lines = [f"{name[:8]}  {samples.calls_per_batch} calls a batch"]
    for arm, values in (("candidate", samples.candidate_us), ("baseline", samples.baseline_us)):
        counts = [0] * WIDTH
        for value in values:
            counts[min(WIDTH - 1, int((value - low) / step))] += 1
        most = max(counts)
        bars = "".join(LEVELS[-(-count * (len(LEVELS) - 1) // most)] for count in counts)
        lines.append(f"{arm:>10} │{bars}│")
    edges = f"{low:.4g}", f"{high:.4g} µs"
    return [*lines, " " * 12 + edges[0] + edges[1].rjust(WIDTH - len(edges[0]))]


def _draw(run_id: str, result: BenchResult, path: Path) -> None:
    try:
        import matplotlib
    except ImportError:
        raise AssayError(
            "plot_missing",
            "matplotlib is not installed, so no picture can be drawn.",
            "pip install 'kernel-assay[plot]', or use --plot.",
        ) from None
    matplotlib.use("Agg")
    from matplotlib import pyplot

    timed = [(w.uuid, w.samples) for w in result.workloads if w.samples is not None]
    if not timed:
        raise AssayError("nothing_timed", f"{run_id} has no samples: it was rejected.", "")
    figure, axes = pyplot.subplots(
        len(timed), 1, figsize=(8, 2.4 * len(timed)), squeeze=False, layout="constrained"
    )
    for axis, (uuid, samples) in zip(axes[:, 0], timed, strict=True):
        _draw_workload(axis, uuid, samples)
    figure.suptitle(f"{run_id}: {result.integrity}, {result.environment.device}")
    figure.savefig(path, dpi=120)
    pyplot.close(figure)


def _draw_workload(axis: Axes, uuid: str, samples: Samples) -> None:
    """The samples of both arms in the order in which they were taken."""
    for arm, values in (("baseline", samples.baseline_us), ("candidate", samples.candidate_us)):
        axis.plot(range(1, len(values) + 1), values, "o-", markersize=3, linewidth=0.8, label=arm)
    axis.set_ylim(bottom=0)
    axis.set_ylabel("µs a call")
    axis.set_xlabel("batch")
    axis.set_title(f"{uuid[:8]}, {samples.calls_per_batch} calls a batch", fontsize=9)
    axis.legend(fontsize=8)
