"""assay serve: the MCP server.

Parsed with the standard library: the command-line library and its tables would be a fifth of the time
that a server takes to be ready.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from sandbox.errors import AssayError
from server.operator import operator_door
from server.principals import Principal
from server.services import open_services
from server.settings import load_settings


def parser() -> argparse.ArgumentParser:
    """The options of `assay serve`."""
    made = argparse.ArgumentParser(
        prog="assay serve",
        description="Serve MCP over streamable HTTP at /mcp (or, for a trial, over stdio).",
    )
    made.add_argument("--state", type=Path, help="state directory")
    made.add_argument("--host", help="address to bind; default 127.0.0.1")
    made.add_argument("--port", type=int, help="port; default 8777, 0 picks a free one")
    made.add_argument("--stdio", action="store_true", help="single-user trial over stdio")
    made.add_argument("--as", dest="name", help="with --stdio: the principal to be")
    return made


def main(arguments: list[str]) -> int:
    """Serve until told to stop."""
    options = parser().parse_args(arguments)
    try:
        serve(options)
    except AssayError as error:
        print(f"{error.code}: {error.message}", file=sys.stderr)
        if error.hint:
            print(error.hint, file=sys.stderr)
        return 1
    return 0


def serve(options: argparse.Namespace) -> None:
    """Open the services and serve them."""
    if options.stdio != (options.name is not None):
        raise AssayError(
            "invalid_arguments",
            "--stdio and --as go together.",
            "Example: assay serve --stdio --as alice",
        )
    settings = load_settings(options.state, host=options.host, port=options.port)
    from server.serve import serve_http, serve_stdio
    from tools.registry import INSTRUCTIONS, TOOLS

    with open_services(settings) as services, operator_door(services):
        if options.stdio:
            record = services.principals.get(options.name)
            serve_stdio(services, TOOLS, INSTRUCTIONS, Principal(record.name, record.role))
        else:
            serve_http(services, TOOLS, INSTRUCTIONS)
