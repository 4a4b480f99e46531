"""assay init, assay principal: state directories and who may connect."""

from __future__ import annotations

from datetime import timedelta
from typing import Annotated

import typer

from sandbox.errors import AssayError
from server.principals import PrincipalRecord, Role
from server.settings import load_settings
from server.setup import initialise, principals_of, record_principal
from tools.cli.output import JsonOption, StateOption, err, out, print_json, reports_errors, table

principal = typer.Typer(help="Who may connect, with which role.", no_args_is_help=True)

Days = Annotated[float, typer.Option("--days", min=0.0, help="Lifetime of the token, in days.")]


def parse_principal(text: str) -> tuple[str, Role]:
    """`NAME:ROLE` as typed by an operator."""
    name, separator, role = text.partition(":")
    if not separator or role not in set(Role):
        raise AssayError(
            "invalid_principal",
            f"{text!r} is not NAME:ROLE.",
            f"Roles: {', '.join(Role)}. Example: --principal alice:writer",
        )
    return name, Role(role)


@reports_errors
def init(
    state: StateOption = None,
    principals: Annotated[
        list[str] | None,
        typer.Option("--principal", help="NAME:ROLE (writer, verifier, auditor); repeatable."),
    ] = None,
    days: Days = 30.0,
    json_output: JsonOption = False,
) -> None:
    """Create a state directory: keys, an empty ledger, the problems, a wiki index, principals."""
    settings = load_settings(state)
    wanted = [parse_principal(text) for text in principals or []]
    with err.status("Building the state directory…"):
        made = initialise(settings, wanted, timedelta(days=days))
    if json_output:
        print_json(
            {
                "state": str(settings.state),
                "ledger_vkey": made.ledger_vkey,
                "problems": list(made.problems),
                "wiki_pages": made.wiki_pages,
                "principals": [
                    {"name": record.name, "role": record.role, "token": token}
                    for record, token in made.principals
                ],
            }
        )
        return
    out.print(f"Initialised [bold]{settings.state}[/]")
    out.print(f"Problems: {', '.join(made.problems)}. Wiki pages: {made.wiki_pages}.")
    out.print(f"Ledger key (keep a copy elsewhere): {made.ledger_vkey}", soft_wrap=True)
    _show_tokens(made.principals)


def _show_tokens(principals: list[tuple[PrincipalRecord, str]]) -> None:
    for record, token in principals:
        out.print(f"{record.name} ({record.role}), until {record.expires:%Y-%m-%d}:")
        out.print(f"  {token}", soft_wrap=True, highlight=False)
    if principals:
        out.print("[yellow]Tokens are shown once and are not kept.[/]")


@principal.command("add")
@reports_errors
def principal_add(
    spec: Annotated[str, typer.Argument(help="NAME:ROLE")],
    state: StateOption = None,
    days: Days = 30.0,
    json_output: JsonOption = False,
) -> None:
    """Add a principal and show its token once."""
    settings = load_settings(state)
    name, role = parse_principal(spec)
    record, token = principals_of(settings).add(name, role, timedelta(days=days))
    record_principal(settings, "principal.added", record)
    _answer(record, token, json_output)


@principal.command("rotate")
@reports_errors
def principal_rotate(
    name: str, state: StateOption = None, days: Days = 30.0, json_output: JsonOption = False
) -> None:
    """Replace a principal's token; the old one stops working at once."""
    settings = load_settings(state)
    record, token = principals_of(settings).rotate(name, timedelta(days=days))
    record_principal(settings, "principal.rotated", record)
    _answer(record, token, json_output)


@principal.command("revoke")
@reports_errors
def principal_revoke(name: str, state: StateOption = None, json_output: JsonOption = False) -> None:
    """Stop a principal's token from working, at once."""
    settings = load_settings(state)
    record = principals_of(settings).revoke(name)
    record_principal(settings, "principal.revoked", record)
    _answer(record, None, json_output)


@principal.command("list")
@reports_errors
def principal_list(state: StateOption = None, json_output: JsonOption = False) -> None:
    """List the principals. Tokens are not kept, so they cannot be listed."""
    records = principals_of(load_settings(state)).list()
    if json_output:
        print_json([record.model_dump(mode="json", exclude={"token_sha256"}) for record in records])
        return
    table(
        "",
        ("name", "role", "expires", "revoked"),
        [(r.name, r.role, f"{r.expires:%Y-%m-%d %H:%M}", r.revoked) for r in records],
    )


def _answer(record: PrincipalRecord, token: str | None, json_output: bool) -> None:
    if json_output:
        body: dict[str, object] = record.model_dump(mode="json", exclude={"token_sha256"})
        print_json(body | ({"token": token} if token else {}))
    elif token:
        _show_tokens([(record, token)])
    else:
        out.print(f"{record.name} is revoked.")
