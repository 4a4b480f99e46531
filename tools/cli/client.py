"""assay client-config: what to paste into an MCP client."""

from __future__ import annotations

import json
import shutil
import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from server.settings import load_settings
from server.setup import principals_of
from tools.cli.output import StateOption, reports_errors


class Client(StrEnum):
    CLAUDE = "claude"
    CODEX = "codex"


@reports_errors
def client_config(
    client: Client,
    as_name: Annotated[str, typer.Option("--as", help="The principal that the client will be.")],
    state: StateOption = None,
    url: Annotated[str | None, typer.Option(help="The server's URL.")] = None,
    stdio: Annotated[bool, typer.Option(help="Use the stdio bridge instead of HTTP.")] = False,
) -> None:
    """Print the configuration for Claude Code or Codex. The token stays in $ASSAY_TOKEN."""
    settings = load_settings(state)
    principals_of(settings).get(as_name)
    address = url or f"http://{settings.host}:{settings.port}/mcp"
    print(_render(client, address, stdio))


def program() -> str:
    """The command as a client can start it, wherever it is started."""
    return shutil.which("assay") or str(Path(sys.executable).with_name("assay"))


def _render(client: Client, url: str, stdio: bool) -> str:
    if client is Client.CODEX:
        head = "# ~/.codex/config.toml; export ASSAY_TOKEN before starting codex\n"
        if stdio:
            return (
                f'{head}[mcp_servers.kernel-assay]\ncommand = "{program()}"\n'
                f'args = ["connect", "--url", "{url}"]\nenv_vars = ["ASSAY_TOKEN"]\n'
                "required = true\n"
            )
        return (
            f'{head}[mcp_servers.kernel-assay]\nurl = "{url}"\n'
            'bearer_token_env_var = "ASSAY_TOKEN"\nrequired = true\n'
        )
    entry: dict[str, object]
    if stdio:
        entry = {
            "command": program(),
            "args": ["connect", "--url", url],
            "env": {"ASSAY_TOKEN": "${ASSAY_TOKEN}"},
        }
    else:
        entry = {
            "type": "http",
            "url": url,
            "headers": {"Authorization": "Bearer ${ASSAY_TOKEN}"},
        }
    return json.dumps({"mcpServers": {"kernel-assay": entry}}, indent=2)
