"""Every request leaves exactly one event, before its result leaves; no event holds a secret."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path
from typing import Any

import anyio
import httpx2
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from mcp import MCPError

from sandbox.errors import AssayError
from server.ledger.events import encode_body
from server.ledger.writer import Ledger
from server.redaction import MAX_PREVIEW_BYTES, canonical_sha256, preview, redact
from tests.server.harness import MODES, Live, client, live_server, modern, post

PING = {"jsonrpc": "2.0", "id": 1, "method": "ping"}
LEGACY = {"mcp-protocol-version": "2025-06-18"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("audit")) as running:
        yield running


def new_events(live: Live, since: int) -> list[Any]:
    kinds = ("call", "http.rejected")
    return list(live.services.ledger.events(kinds=kinds, from_seq=since))


def head(live: Live) -> int:
    return live.services.ledger.head.seq + 1


@pytest.mark.parametrize("mode", MODES)
def test_each_request_of_a_session_is_one_event(live: Live, mode: str) -> None:
    since = head(live)

    async def run() -> None:
        async with client(live.url, live.tokens["writer"], mode) as connected:
            await connected.list_tools()
            await connected.call_tool("add", {"a": 1})
            await connected.call_tool("review", {})

    asyncio.run(run())
    events = new_events(live, since)
    methods = [event.data["method"] for event in events]
    expected = ["tools/list", "tools/call", "tools/call"]
    if mode == "legacy":
        assert methods[0] == "initialize"
        assert "notifications/initialized" in methods and "http/DELETE" in methods
    assert [m for m in methods if m in ("tools/list", "tools/call")] == expected
    assert len({event.request for event in events}) == len(events)
    assert all(event.actor == "writer-1" and event.role == "writer" for event in events)
    assert {e.data["client"] for e in events if "client" in e.data} != {""}
    assert all(e.data["peer"] == "127.0.0.1" for e in events)
    if mode == "legacy":
        assert len({event.session for event in events if event.data["method"] != "initialize"}) == 1


@pytest.mark.parametrize(
    ("body", "headers", "status"),
    [
        (b"{not json", {}, 400),
        (b"[]", {}, 400),
        (b'{"jsonrpc":"2.0","id":1,"method":"tools/list"}', {}, 400),
        (modern("tools/list"), {"mcp-method": "tools/call"}, 400),
        (modern("tools/list"), {"accept": "text/html"}, 406),
        (modern("tools/list"), {"content-type": "text/plain"}, 400),
        (modern("tools/list"), {"mcp-protocol-version": "1999-01-01"}, 400),
        (b" " * (4 << 20) + b"{}", {}, 413),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"mcp-protocol-version": "2025-06-18"},
            400,
        ),
        (
            {"jsonrpc": "2.0", "id": 1, "method": "ping"},
            {"mcp-protocol-version": "2025-06-18", "mcp-session-id": "gone"},
            404,
        ),
    ],
)
def test_what_http_refuses_is_recorded_once(
    live: Live, body: Any, headers: dict[str, str], status: int
) -> None:
    since = head(live)
    response = post(live.url, live.tokens["writer"], body, **headers)
    assert response.status_code == status
    [event] = new_events(live, since)
    assert event.kind == "http.rejected" and event.ok is False
    assert event.actor == "writer-1"
    assert event.data["status"] == status and event.data["path"] == "/mcp"
    assert event.data["reason"] and event.data["method"] == "POST"


@pytest.mark.parametrize("method", ["PUT", "GET", "HEAD"])
def test_other_http_methods_are_recorded(live: Live, method: str) -> None:
    since = head(live)
    headers = {"authorization": f"Bearer {live.tokens['writer']}"}
    response = httpx2.request(
        method, live.url, headers={**headers, "mcp-protocol-version": "2026-07-28"}
    )
    assert response.status_code == 405
    [event] = new_events(live, since)
    assert event.kind == "http.rejected" and event.data["method"] == method


def test_unauthenticated_requests_are_recorded_without_their_body(live: Live) -> None:
    since = head(live)
    assert post(live.url, None, modern("tools/call", name="add")).status_code == 401
    [event] = new_events(live, since)
    assert event.kind == "http.rejected" and event.actor == ""
    assert "tools/call" not in json.dumps(dict(event.data))


@pytest.mark.parametrize(
    ("method", "params", "outcome"),
    [
        ("no/such", {}, "error"),
        ("tools/call", {"name": 7}, "invalid"),
        ("tools/call", {"name": "add", "arguments": [1]}, "invalid"),
        ("server/discover", {}, "ok"),
    ],
)
def test_odd_requests_are_recorded(
    live: Live, method: str, params: dict[str, Any], outcome: str
) -> None:
    since = head(live)
    post(live.url, live.tokens["auditor"], modern(method, **params))
    events = new_events(live, since)
    assert len(events) == 1
    if events[0].kind == "call":
        assert events[0].data["outcome"] == outcome and events[0].data["method"] == method
    else:
        assert outcome == "invalid"


@pytest.mark.parametrize("mode", MODES)
def test_a_cancelled_call_is_recorded_as_cancelled(live: Live, mode: str) -> None:
    since = head(live)

    async def run() -> None:
        async with client(live.url, live.tokens["writer"], mode) as connected:
            with anyio.move_on_after(0.4):
                await connected.call_tool("slow", {"seconds": 30})
            for _ in range(100):
                if any(e.tool == "slow" for e in new_events(live, since)):
                    return
                await anyio.sleep(0.05)

    asyncio.run(run())
    [event] = [e for e in new_events(live, since) if e.tool == "slow"]
    assert event.data["outcome"] == "cancelled" and event.ok is False
    assert event.dur_ms is not None and event.dur_ms < 10_000


def test_tokens_and_long_texts_stay_out_of_events(live: Live) -> None:
    since = head(live)
    secret = live.tokens["verifier"]
    long = "int main() { return 0; }\n" * 100

    async def run() -> None:
        async with client(live.url, live.tokens["writer"]) as connected:
            await connected.call_tool("write_note", {"text": f"use {secret} now"})
            await connected.call_tool("write_note", {"text": long})
            await connected.call_tool("write_note", {secret: 1})

    asyncio.run(run())
    calls = [e for e in new_events(live, since) if e.tool == "write_note"]
    assert calls[0].data["args"] == {"text": "use assay_[redacted] now"}
    expected = {"sha256": sha256(long.encode()).hexdigest(), "bytes": len(long)}
    assert calls[1].data["args"] == {"text": expected}
    assert calls[1].data["args_sha256"] == canonical_sha256({"text": long})
    assert calls[2].data["outcome"] == "invalid"
    text = live.ledger_text()
    assert "use assay_[redacted] now" in text
    assert not any(token in text for token in live.tokens.values())


def test_hostile_arguments_do_not_escape_the_audit(live: Live) -> None:
    """What JSON allows and a ledger might refuse: NaN, lone surrogates, huge numbers, depth."""
    arguments = ["NaN", '"\\ud800"', "1e999", "-" + "9" * 400, "[" * 200 + "]" * 200, '"\\u0000"']
    for raw in arguments:
        since = head(live)
        request = modern("tools/call", name="add", arguments={"a": "@"})
        body = json.dumps(request).replace('"@"', raw).encode()
        headers = {"mcp-method": "tools/call", "mcp-name": "add"}
        response = post(live.url, live.tokens["writer"], body, **headers)
        assert response.json()["result"]["isError"] is True, raw[:20]
        [event] = new_events(live, since)
        assert event.kind == "call" and event.data["outcome"] == "invalid", raw[:20]


class Failing:
    """A ledger whose disk fills up."""

    def __init__(self, ledger: Ledger) -> None:
        self._ledger = ledger
        self.full = False

    async def record(self, kind: str, **fields: Any) -> Any:
        if self.full:
            raise AssayError("ledger_failed", "No space left on /srv/disk.")
        return await self._ledger.record(kind, **fields)


def test_without_a_ledger_nothing_leaves(tmp_path: Path) -> None:
    ledgers: list[Failing] = []

    def failing(ledger: Ledger) -> Failing:
        ledgers.append(Failing(ledger))
        return ledgers[0]

    with live_server(tmp_path, failing) as live:
        request = modern("tools/call", name="add", arguments={"a": 40})
        good = post(live.url, live.tokens["writer"], request)
        assert good.json()["result"]["structuredContent"]["total"] == 41
        ledgers[0].full = True
        failed = post(live.url, live.tokens["writer"], request)
        assert "result" not in failed.json()
        assert "cannot be written" in failed.json()["error"]["message"]
        assert "41" not in failed.text and "/srv" not in failed.text
        asyncio.run(_in_a_session(live, ledgers[0]))
        listed = post(live.url, live.tokens["writer"], modern("tools/list"))
        assert "result" not in listed.json()
        assert post(live.url, None, request).status_code == 503
        assert httpx2.get(live.url.replace("/mcp", "/x")).status_code == 503
        ledgers[0].full = False
        assert "result" in post(live.url, live.tokens["writer"], request).json()


async def _in_a_session(live: Live, ledger: Failing) -> None:
    """The same in a session of the older protocol."""
    ledger.full = False
    async with client(live.url, live.tokens["writer"], "legacy") as connected:
        assert not (await connected.call_tool("add", {"a": 1})).is_error
        ledger.full = True
        with pytest.raises(MCPError, match="cannot be written"):
            await connected.call_tool("add", {"a": 1})


json_values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner, max_size=30) | st.dictionaries(st.text(), inner, max_size=30),
    max_leaves=60,
)


@settings(max_examples=60, deadline=None)
@given(json_values)
def test_any_arguments_can_be_shown_and_recorded(value: Any) -> None:
    shown = preview(value)
    assert len(json.dumps(shown)) <= MAX_PREVIEW_BYTES
    encode_body("call", data={"args": shown, "args_sha256": canonical_sha256(value)})


@settings(max_examples=60, deadline=None)
@given(st.text(max_size=300), st.text(max_size=300))
def test_a_token_never_survives_redaction(before: str, after: str) -> None:
    token = "assay_" + "Ab3-_xYz" * 5
    assert token[:20] not in redact(f"{before}{token}{after}")
    assert token[:20] not in json.dumps(preview({"k": f"{before}{token}{after}", token: 1}))
