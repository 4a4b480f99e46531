"""assay demo: the whole loop in a minute, on a real server with real clients."""

from __future__ import annotations

import asyncio
import dataclasses
import tempfile
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from tools.cli.output import JsonOption, out, print_json, reports_errors
from tools.demo.harness import Step, Story
from tools.demo.story import tell


@reports_errors
def demo(
    report: Annotated[
        Path | None, typer.Option(help="An .ncu-rep to read instead of the shipped one.")
    ] = None,
    state: Annotated[
        Path | None, typer.Option("--state", help="Keep the state directory here; it must be new.")
    ] = None,
    json_output: JsonOption = False,
) -> None:
    """A kernel from source to a recorded, reviewed candidate. Exit 0 only if all went well."""

    def say(step: Step) -> None:
        if not json_output:
            mark = "[green]✓[/]" if step.ok else "[red]✗[/]"
            out.print(f"{mark} [bold]{escape(step.name)}[/] [dim]{step.seconds:.1f} s[/]")
            out.print(f"  {escape(step.detail)}", highlight=False)

    story = Story(say)
    with tempfile.TemporaryDirectory(prefix="assay-demo-") as directory:
        asyncio.run(tell(story, state or Path(directory) / "state", report))
    if json_output:
        print_json({"ok": story.ok, "steps": [dataclasses.asdict(step) for step in story.steps]})
    else:
        total = sum(step.seconds for step in story.steps)
        verdict = "[green]All as it should be[/]" if story.ok else "[red]Something went wrong[/]"
        out.print(f"\n{verdict}: {len(story.steps)} steps, {total:.0f} s.")
    if not story.ok:
        raise typer.Exit(1)
