"""The `assay` command: twins of the MCP tools for people and scripts, on the same services."""

from __future__ import annotations

import sys


def main() -> None:
    """Entry point.

    `assay connect` is started by MCP clients that wait about a second for a first answer, so it is
    dispatched before the command-line library is imported.
    """
    if sys.argv[1:2] == ["connect"]:
        from tools.cli.connect import main as connect

        sys.exit(connect(sys.argv[2:]))
    from tools.cli.app import app

    app()
