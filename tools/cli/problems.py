"""assay problem: pinned problems."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Annotated

import typer

from sandbox.dataset import problem_from_dataset
from sandbox.problem import Problem, load_problem
from server.operator import add_problem
from server.problems import DEFAULT_TARGET_SPEEDUP
from server.scratch import problem_source
from server.settings import load_settings
from server.setup import shipped_problems
from server.state import State
from tools.cli.output import JsonOption, StateOption, out, print_json, reports_errors, table

problem = typer.Typer(help="Pinned problems.", no_args_is_help=True)


def _document(found: Problem) -> dict[str, object]:
    return {
        "problem": found.name,
        "problem_sha256": found.sha256,
        "definition": found.definition.name,
        "op_type": found.definition.op_type,
        "workloads": [{"uuid": w.uuid, "axes": dict(w.axes)} for w in found.workloads],
        "quick": list(found.quick_uuids()),
        "baseline": found.baseline.name,
        "settings": found.settings.model_dump(mode="json"),
        "pins": dict(found.pins),
    }


@problem.command("list")
@reports_errors
def problem_list(state: StateOption = None, json_output: JsonOption = False) -> None:
    """List the pinned problems (or, before `assay init`, those that are shipped)."""
    root = State(load_settings(state).state).problems
    directories = sorted(p.parent for p in root.glob("*/definition.json")) or shipped_problems()
    found = [load_problem(directory) for directory in directories]
    if json_output:
        print_json([_document(item) for item in found])
        return
    table(
        "",
        ("problem", "op", "workloads", "baseline", "sha256"),
        [
            (p.name, p.definition.op_type, len(p.workloads), p.baseline.name, p.sha256[:16])
            for p in found
        ],
    )


@problem.command("show")
@reports_errors
def problem_show(name: str, state: StateOption = None, json_output: JsonOption = False) -> None:
    """Show a problem with the hashes that pin it."""
    found = load_problem(problem_source(load_settings(state), name))
    if json_output:
        print_json(_document(found))
        return
    _show(found)


@problem.command("add")
@reports_errors
def problem_add(
    dataset: Annotated[Path, typer.Argument(help="A FlashInfer-Bench trace set, or a problem.")],
    definition: Annotated[
        str | None, typer.Option(help="With a trace set: which definition.")
    ] = None,
    baseline: Annotated[
        str | None, typer.Option(help="With a trace set: the solution that becomes the baseline.")
    ] = None,
    target: Annotated[
        float, typer.Option(help="The campaign's target: geometric-mean speedup.")
    ] = DEFAULT_TARGET_SPEEDUP,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Pin a problem: its files are copied and hashed, and never change again."""
    settings = load_settings(state)
    opened = State(settings.state)
    opened.require()
    with tempfile.TemporaryDirectory(prefix="assay-problem-") as scratch:
        source = dataset
        if not (dataset / "definition.json").is_file():
            if definition is None or baseline is None:
                raise typer.BadParameter(
                    "a trace set needs --definition NAME and --baseline SOLUTION"
                )
            source = problem_from_dataset(dataset, definition, baseline, Path(scratch) / definition)
        found = load_problem(opened.problems / add_problem(settings, source, target))
    if json_output:
        print_json(_document(found))
    else:
        _show(found)


def _show(found: Problem) -> None:
    out.print(f"[bold]{found.name}[/]  {found.definition.op_type}  sha256 {found.sha256}")
    out.print(f"baseline: {found.baseline.name}; workloads: {len(found.workloads)}")
    table("Pinned", ("part", "sha256"), sorted(found.pins.items()))
