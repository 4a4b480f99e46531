"""How commands speak: tables for people, one JSON document for scripts, errors that say what to do."""

from __future__ import annotations

import functools
import json
import sys
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Annotated, Any, ParamSpec, TypeVar

import typer
from pydantic import BaseModel
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from sandbox.errors import AssayError

P = ParamSpec("P")
R = TypeVar("R")

StateOption = Annotated[
    Path | None,
    typer.Option(
        "--state",
        help="State directory. Default: $ASSAY_STATE or ~/.local/state/kernel-assay.",
        show_default=False,
    ),
]
JsonOption = Annotated[bool, typer.Option("--json", help="Print one JSON document.")]

out = Console()
err = Console(stderr=True)


def print_json(value: Any) -> None:
    """Print a document for scripts; nothing else goes to standard output then."""
    sys.stdout.write(json.dumps(_plain(value), indent=2, ensure_ascii=False, default=str) + "\n")


def _plain(value: Any) -> Any:
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if isinstance(value, (list, tuple)):
        return [_plain(item) for item in value]
    if isinstance(value, dict):
        return {key: _plain(item) for key, item in value.items()}
    return value


def table(title: str, columns: Sequence[str], rows: Iterable[Sequence[object]]) -> None:
    """Print a table."""
    grid = Table(title=title or None, title_justify="left")
    for column in columns:
        grid.add_column(column)
    for row in rows:
        grid.add_row(*("–" if cell is None else escape(str(cell)) for cell in row))
    out.print(grid)


def reports_errors(command: Callable[P, R]) -> Callable[P, R]:
    """Turn an `AssayError` into a message (or JSON) and exit status 1."""

    @functools.wraps(command)
    def wrapper(*args: P.args, **kwargs: P.kwargs) -> R:
        try:
            return command(*args, **kwargs)
        except AssayError as error:
            if kwargs.get("json_output"):
                print_json(
                    {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
                )
            else:
                err.print(f"[bold red]{error.code}[/]: {escape(error.message)}")
                if error.hint:
                    err.print(escape(error.hint))
            raise typer.Exit(1) from error

    return wrapper


def number(value: float | None, digits: int = 3) -> str | None:
    """A figure for a table; None stays None, shown as a dash."""
    return None if value is None else f"{value:.{digits}f}"
