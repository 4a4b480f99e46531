"""assay serve: the MCP server."""

from __future__ import annotations

from typing import Annotated

import typer

from sandbox.errors import AssayError
from server.principals import Principal
from server.services import open_services
from server.settings import load_settings
from tools.cli.output import StateOption, reports_errors


@reports_errors
def serve(
    state: StateOption = None,
    host: Annotated[str | None, typer.Option(help="Address to bind.")] = None,
    port: Annotated[int | None, typer.Option(help="Port; 0 picks a free one.")] = None,
    stdio: Annotated[
        bool, typer.Option("--stdio", help="Single-user trial over stdio; needs --as.")
    ] = False,
    as_name: Annotated[
        str | None, typer.Option("--as", help="With --stdio: the principal to be.")
    ] = None,
) -> None:
    """Serve MCP over streamable HTTP at /mcp (or, for a trial, over stdio)."""
    settings = load_settings(state, host=host, port=port)
    if stdio != (as_name is not None):
        raise AssayError(
            "invalid_arguments",
            "--stdio and --as go together.",
            "Example: assay serve --stdio --as alice",
        )
    from server.serve import serve_http, serve_stdio
    from tools.registry import INSTRUCTIONS, TOOLS

    with open_services(settings) as services:
        if as_name is not None:
            record = services.principals.get(as_name)
            serve_stdio(services, TOOLS, INSTRUCTIONS, Principal(record.name, record.role))
        else:
            serve_http(services, TOOLS, INSTRUCTIONS)
