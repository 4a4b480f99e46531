"""The stdio bridge, started as clients start it, against a real server."""

from __future__ import annotations

import asyncio
import json
import os
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import anyio
import pytest
from mcp import MCPError
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client
from mcp.shared.inbound import encode_header_value

from server.connect import ConnectError, _header, bridge, read_token
from tests.server.harness import MODES, Live, live_server, modern

ROOT = Path(__file__).parents[2]
PROGRAM = [
    sys.executable,
    "-c",
    "import sys; from server.connect import bridge, read_token; "
    "sys.exit(bridge(sys.argv[1], read_token(None)))",
]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("connect")) as running:
        yield running


def parameters(url: str, token: str) -> StdioServerParameters:
    return StdioServerParameters(
        command=PROGRAM[0], args=[*PROGRAM[1:], url], env={"ASSAY_TOKEN": token}, cwd=ROOT
    )


def start(url: str, token: str) -> subprocess.Popen[bytes]:
    environment = {**os.environ, "ASSAY_TOKEN": token}
    return subprocess.Popen(
        [*PROGRAM, url],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env=environment,
        cwd=ROOT,
    )


def ask(url: str, token: str, *messages: Any) -> list[dict[str, Any]]:
    """Send lines, end the input, return the answers."""
    lines = b"".join(
        (m if isinstance(m, bytes) else json.dumps(m).encode()) + b"\n" for m in messages
    )
    process = start(url, token)
    out, err = process.communicate(lines, timeout=30)
    assert token not in (out + err).decode()
    assert process.returncode == 0, err
    return [json.loads(line) for line in out.splitlines()]


@pytest.mark.parametrize("mode", [*MODES, "auto"])
def test_a_real_client_works_through_the_bridge(live: Live, mode: str) -> None:
    seen: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async def run() -> None:
        transport = stdio_client(parameters(live.url, live.tokens["writer"]))
        async with Client(transport, mode=mode) as connected:
            assert len((await connected.list_tools()).tools) == 4
            results = await asyncio.gather(
                *(connected.call_tool("add", {"a": n}) for n in range(8)),
                connected.call_tool("slow", {"seconds": 0.2}, progress_callback=heard),
            )
            assert [r.structured_content["total"] for r in results[:8]] == list(range(1, 9))
            assert results[0].structured_content["who"] == "writer-1"
            assert (await connected.call_tool("review", {})).is_error
            with pytest.raises(MCPError, match="Unknown tool"):
                await connected.call_tool("no_such_tool", {})

    asyncio.run(run())
    assert len(seen) == 10


@pytest.mark.parametrize("mode", MODES)
def test_cancelling_reaches_the_server(live: Live, mode: str) -> None:
    before = len(live.calls("slow"))

    async def run() -> None:
        transport = stdio_client(parameters(live.url, live.tokens["verifier"]))
        async with Client(transport, mode=mode) as connected:
            with anyio.move_on_after(0.5):
                await connected.call_tool("slow", {"seconds": 30})
            for _ in range(100):
                if len(live.calls("slow")) > before:
                    break
                await anyio.sleep(0.05)
            assert not (await connected.call_tool("add", {"a": 1})).is_error

    asyncio.run(run())
    assert live.calls("slow")[-1].data["outcome"] == "cancelled"


def test_a_session_that_the_server_forgot_is_opened_again(live: Live) -> None:
    async def run() -> None:
        transport = stdio_client(parameters(live.url, live.tokens["writer"]))
        async with Client(transport, mode="legacy") as connected:
            await connected.call_tool("add", {"a": 1})
            session = live.calls("add")[-1].session
            import httpx2

            token = live.tokens["writer"]
            headers = {"authorization": f"Bearer {token}", "mcp-session-id": session}
            assert httpx2.delete(live.url, headers=headers).status_code == 200
            result = await connected.call_tool("add", {"a": 2})
            assert result.structured_content["total"] == 3
            assert live.calls("add")[-1].session != session

    asyncio.run(run())


def test_the_first_answer_is_quick(live: Live) -> None:
    """Clients give a server about a second; the budget is half of that."""
    imported = subprocess.run(
        [sys.executable, "-X", "importtime", "-c", "import server.connect"],
        capture_output=True,
        text=True,
        cwd=ROOT,
    ).stderr
    assert not {"mcp", "pydantic", "anyio", "typer", "asyncio"} & {
        line.rsplit("|", 1)[-1].strip() for line in imported.splitlines()
    }
    times = []
    for _ in range(3):
        began = time.monotonic()
        process = start(live.url, live.tokens["writer"])
        assert process.stdin is not None and process.stdout is not None
        process.stdin.write(json.dumps(modern("server/discover")).encode() + b"\n")
        process.stdin.flush()
        answer = json.loads(process.stdout.readline())
        times.append(time.monotonic() - began)
        process.communicate(timeout=10)
        assert answer["result"]["supportedVersions"] == ["2026-07-28"]
    assert min(times) < 0.5, times


def test_a_server_that_is_down_is_said_to_be_down() -> None:
    token = "assay_" + "x" * 43
    [answer] = ask("http://127.0.0.1:9/mcp", token, modern("tools/list"))
    assert answer["id"] == 1
    assert "cannot be reached" in answer["error"]["message"]
    assert "assay serve" in answer["error"]["message"]


def test_a_refused_token_is_explained(live: Live) -> None:
    [answer] = ask(live.url, "assay_" + "x" * 43, modern("tools/list"))
    assert answer["error"]["code"] == -31401
    assert "unknown, expired or revoked" in answer["error"]["message"]


def test_lines_that_are_not_messages_do_not_end_the_bridge(live: Live) -> None:
    token = live.tokens["writer"]
    answers = ask(live.url, token, b"{broken", b"[]", b"", b"[" * 100_000, modern("tools/list"))
    assert [a.get("error", {}).get("code") for a in answers] == [-32700, -32700, -32700, None]
    assert "tools" in answers[-1]["result"]


def test_names_beyond_ascii_survive_the_headers(live: Live) -> None:
    request = modern("tools/call", name="naïve", arguments={})
    [answer] = ask(live.url, live.tokens["writer"], request)
    assert "Unknown tool: naïve" in answer["error"]["message"]


@pytest.mark.parametrize(
    "value", ["add", "naïve", " x", "x ", "=?base64?YQ==?=", "a\nb", "", "a b"]
)
def test_header_values_are_encoded_as_the_protocol_says(value: str) -> None:
    assert _header(value) == encode_header_value(value)


def test_the_token_file_must_be_private(tmp_path: Path) -> None:
    file = tmp_path / "token"
    file.write_text("assay_abc\n")
    file.chmod(0o600)
    assert read_token(file, {"ASSAY_TOKEN": "other"}) == "assay_abc"
    for mode in (0o640, 0o604, 0o666):
        file.chmod(mode)
        with pytest.raises(ConnectError, match="chmod 600"):
            read_token(file)
    with pytest.raises(ConnectError, match="cannot read"):
        read_token(tmp_path / "none")


@pytest.mark.parametrize("token", ["", "  ", "two words", "a\r\nX-Other: b", "é"])
def test_a_token_that_cannot_be_one_is_refused(token: str) -> None:
    with pytest.raises(ConnectError) as raised:
        read_token(None, {"ASSAY_TOKEN": token})
    assert not token.strip() or token not in str(raised.value)


@pytest.mark.parametrize("url", ["http://example.org/mcp", "ftp://127.0.0.1/mcp", "127.0.0.1:1"])
def test_a_token_is_not_sent_in_clear_to_other_machines(
    url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert bridge(url, "assay_abc") == 2
    assert "assay_abc" not in capsys.readouterr().err
