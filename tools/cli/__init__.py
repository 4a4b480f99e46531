"""The `assay` command: twins of the MCP tools for people and scripts, on the same services."""

from __future__ import annotations

import gc
import sys

COLLECT_EVERY = 50_000
"""Objects. Python's own 700 means a collection a module while some hundred are imported, and nothing is
found: 0.01 to 0.02 s of the 0.6 until `serve` listens."""


def main() -> None:
    """Entry point.

    Somebody waits for `connect` (a client, about a second) and for `serve`, so these two are dispatched
    before the command-line library is imported.
    """
    gc.set_threshold(COLLECT_EVERY)
    if sys.argv[1:2] == ["connect"]:
        from tools.cli.connect import main as connect

        sys.exit(connect(sys.argv[2:]))
    if sys.argv[1:2] == ["serve"]:
        from tools.cli.serve import main as serve

        sys.exit(serve(sys.argv[2:]))
    from tools.cli.app import app

    app()
