"""assay audit: verify the ledger, ask it questions, export its head."""

from __future__ import annotations

import csv
import dataclasses
import sys
from pathlib import Path
from typing import Annotated

import typer
from rich.markup import escape

from server.ledger.query import run_query
from server.ledger.verify import read_head_file, verify
from server.ledger.writer import export_head
from server.settings import load_settings
from server.state import State
from tools.cli.output import JsonOption, StateOption, err, out, print_json, reports_errors, table

audit = typer.Typer(help="The audit ledger.", no_args_is_help=True)


def _state(state: Path | None) -> State:
    opened = State(load_settings(state).state)
    opened.require()
    return opened


@audit.command("verify")
@reports_errors
def audit_verify(
    head: Annotated[
        Path | None, typer.Option("--head", help="A head that was exported earlier.")
    ] = None,
    key: Annotated[
        Path | None, typer.Option("--key", help="The ledger's public key, kept elsewhere.")
    ] = None,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Check every link, checkpoint and signature. Exit 0 only if nothing was tampered with."""
    opened = _state(state)
    vkey = (key or opened.ledger_vkey).read_text("utf-8").strip()
    heads = read_head_file(head) if head else ()
    report = verify(opened.ledger, vkey, heads)
    if json_output:
        print_json(dataclasses.asdict(report))
    else:
        verdict = "[green]intact[/]" if report.ok else "[red]TAMPERED[/]"
        out.print(
            f"{verdict}: {report.events} events, {report.checkpoints} signed checkpoints, "
            f"{report.torn} torn lines, {len(heads)} heads kept elsewhere"
        )
        if report.problems:
            table(
                "",
                ("problem", "seq", "file", "detail"),
                [(p.kind, p.seq, p.file, p.detail) for p in report.problems],
            )
        if not heads:
            err.print(
                "[dim]A rewrite by whoever holds the signing key shows only against a head kept "
                "elsewhere: assay audit head > FILE, then --head FILE.[/]"
            )
    if not report.ok:
        raise typer.Exit(1)


@audit.command("head")
@reports_errors
def audit_head(state: StateOption = None) -> None:
    """Print the latest signed head, to be kept where this machine cannot change it."""
    sys.stdout.write(export_head(_state(state).ledger))


@audit.command("query")
@reports_errors
def audit_query(
    sql: Annotated[str, typer.Argument(help="One SELECT over events, calls, denials, runs, …")],
    max_rows: Annotated[int, typer.Option(min=1, max=100_000)] = 1000,
    csv_output: Annotated[bool, typer.Option("--csv", help="Print CSV.")] = False,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Ask the ledger in SQL, also while a server runs."""
    result = run_query(_state(state).ledger, sql, max_rows=max_rows)
    if json_output:
        print_json([dict(zip(result.columns, row, strict=True)) for row in result.rows])
    elif csv_output:
        writer = csv.writer(sys.stdout)
        writer.writerow(result.columns)
        writer.writerows(result.rows)
    else:
        table("", result.columns, result.rows)
        if result.truncated:
            err.print("[yellow]There were more rows: raise --max-rows.[/]")


@audit.command("sql")
@reports_errors
def audit_sql(state: StateOption = None) -> None:
    """Print the path of the views, for a DuckDB shell: duckdb -init "$(assay audit sql)"."""
    out.print(escape(str(_state(state).ledger / "audit.sql")), soft_wrap=True, highlight=False)
