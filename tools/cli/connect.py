"""assay connect: stdio in, a running server out.

Imports nothing but the standard library and the bridge: the client on the other side of the pipe
gives a server about a second to answer its first request.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path


def main(arguments: list[str]) -> int:
    """Parse the command line and run the bridge until standard input ends."""
    parser = argparse.ArgumentParser(
        prog="assay connect",
        description="Bridge stdio to a running server. The token comes from ASSAY_TOKEN or a file.",
    )
    parser.add_argument("--url", default="http://127.0.0.1:8777/mcp", help="the server's MCP URL")
    parser.add_argument(
        "--token-file", type=Path, help="a file that only you can read (0600), with the token"
    )
    options = parser.parse_args(arguments)
    from server.connect import ConnectError, bridge, read_token

    try:
        token = read_token(options.token_file)
    except ConnectError as error:
        print(f"assay connect: {error}", file=sys.stderr)
        return 2
    return bridge(options.url, token)
