"""The server as a process: start, both transports, orderly end."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import httpx2
import pytest
from mcp.client import Client
from mcp.client.stdio import StdioServerParameters, stdio_client

from sandbox.errors import AssayError
from server.ledger.events import Event
from server.principals import Principals, Role
from server.serve import _listen
from tests.server.harness import MODES, client, modern, post, services_at

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "triton", "lancedb", "flashinfer_bench", "duckdb", "pyarrow")


@contextmanager
def process(state: Path) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A server process on a free port."""
    command = [sys.executable, "-m", "tests.server.harness", str(state)]
    with subprocess.Popen(
        command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as running:
        assert running.stdout is not None
        line = running.stdout.readline()
        assert line.startswith("listening on http://127.0.0.1:"), running.stderr
        try:
            yield running, line.removeprefix("listening on ").strip()
        finally:
            running.kill()


def recorded(state: Path) -> list[Event]:
    with services_at(state) as services:
        return list(services.ledger.events())


def writer(state: Path) -> str:
    return Principals(state / "principals.json").add("alice", Role.WRITER)[1]


@pytest.mark.parametrize("mode", MODES)
def test_a_stop_is_clean_and_quick_with_clients_connected(tmp_path: Path, mode: str) -> None:
    token = writer(tmp_path)

    async def run() -> float:
        async with client(url, token, mode) as connected:
            await connected.list_tools()
            busy = asyncio.create_task(connected.call_tool("slow", {"seconds": 60}))
            await asyncio.sleep(0.5)
            began = time.monotonic()
            running.send_signal(signal.SIGTERM)
            assert await asyncio.to_thread(running.wait, 10) == 0
            took = time.monotonic() - began
            busy.cancel()
            await asyncio.gather(busy, return_exceptions=True)
            return took

    with process(tmp_path) as (running, url):
        assert asyncio.run(run()) < 5
    events = recorded(tmp_path)
    kinds = [event.kind for event in events]
    assert "server.started" in kinds and "server.stopped" in kinds
    [slow] = [event for event in events if event.tool == "slow"]
    assert slow.data["outcome"] == "cancelled"
    assert events[kinds.index("server.stopped")].seq > slow.seq


def test_work_that_cannot_be_cancelled_does_not_hold_up_a_stop(tmp_path: Path) -> None:
    token = Principals(tmp_path / "principals.json").add("carol", Role.AUDITOR)[1]
    with process(tmp_path) as (running, url):
        request = modern("tools/call", name="stubborn", arguments={"seconds": 61})
        asking = threading.Thread(target=_ignoring_errors, args=(url, token, request))
        asking.start()
        time.sleep(0.5)
        began = time.monotonic()
        running.send_signal(signal.SIGTERM)
        assert running.wait(10) == 0
        assert time.monotonic() - began < 5
        asking.join(10)
    kinds = [event.kind for event in recorded(tmp_path)]
    assert "server.stopped" in kinds and "call" in kinds


def _ignoring_errors(url: str, token: str, request: dict[str, object]) -> None:
    with contextlib.suppress(httpx2.HTTPError):
        post(url, token, request)


def test_an_idle_server_stops_at_once(tmp_path: Path) -> None:
    writer(tmp_path)
    with process(tmp_path) as (running, _):
        began = time.monotonic()
        running.send_signal(signal.SIGINT)
        assert running.wait(5) == 0
        assert time.monotonic() - began < 1.5


def test_open_listen_streams_end_properly_and_do_not_hold_up_a_stop(tmp_path: Path) -> None:
    token = writer(tmp_path)
    with process(tmp_path) as (running, url):
        host, port = url.removeprefix("http://").removesuffix("/mcp").split(":")
        body = json.dumps(modern("subscriptions/listen", notifications={"toolsListChanged": True}))
        with socket.create_connection((host, int(port)), timeout=10) as stream:
            stream.sendall(
                f"POST /mcp HTTP/1.1\r\nHost: {host}:{port}\r\nAuthorization: Bearer {token}\r\n"
                "Accept: application/json, text/event-stream\r\nContent-Type: application/json\r\n"
                "MCP-Protocol-Version: 2026-07-28\r\nMcp-Method: subscriptions/listen\r\n"
                f"Content-Length: {len(body)}\r\n\r\n{body}".encode()
            )
            received = stream.recv(65536)
            while b"acknowledged" not in received:
                received += stream.recv(65536)
            began = time.monotonic()
            running.send_signal(signal.SIGTERM)
            while chunk := stream.recv(65536):
                received += chunk
            assert running.wait(5) == 0
            assert time.monotonic() - began < 2
        assert b'"id":1' in received and b'"result"' in received
    [event] = [e for e in recorded(tmp_path) if e.kind == "call"]
    assert event.data["method"] == "subscriptions/listen"


def test_a_killed_server_has_recorded_what_it_answered(tmp_path: Path) -> None:
    token = writer(tmp_path)
    with process(tmp_path) as (running, url):
        answer = post(url, token, modern("tools/call", name="add", arguments={"a": 1})).json()
        os.kill(running.pid, signal.SIGKILL)
        running.wait(5)
    receipt = answer["result"]["_meta"]["kernel-assay/ledger"]
    [event] = [e for e in recorded(tmp_path) if e.seq == receipt["seq"]]
    assert event.tool == "add" and event.actor == "alice"


def test_stdio_serves_one_principal_and_stamps_every_event(tmp_path: Path) -> None:
    writer(tmp_path)

    async def run(mode: str) -> None:
        command = ["-m", "tests.server.harness", str(tmp_path), "--stdio", "alice"]
        server = StdioServerParameters(command=sys.executable, args=command, cwd=ROOT)
        async with Client(stdio_client(server), mode=mode) as connected:
            result = await connected.call_tool("add", {"a": 1})
            assert result.structured_content["who"] == "alice"
            assert (await connected.call_tool("review", {})).is_error

    for mode in MODES:
        asyncio.run(run(mode))
    mine = [e for e in recorded(tmp_path) if e.kind.startswith(("call", "server."))]
    assert len([e for e in mine if e.tool == "add"]) == 2
    assert {e.data.get("isolation") for e in mine} == {"shared-uid"}
    assert {e.actor for e in mine if e.kind == "call"} == {"alice"}


def test_a_port_that_is_taken_is_named() -> None:
    with _listen("127.0.0.1", 0) as taken:
        assert taken.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
        port = taken.getsockname()[1]
        with pytest.raises(AssayError, match=f"port {port}") as raised:
            _listen("127.0.0.1", port)
    assert raised.value.code == "address_unavailable"
    assert "--port" in raised.value.hint


def test_nothing_heavy_is_imported_at_start() -> None:
    program = (
        "import sys, server.serve, server.connect, server.services, tools.registry\n"
        f"print([name for name in {HEAVY} if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, cwd=ROOT)
    assert done.stdout.strip() == "[]", done.stderr
