"""Who gets in, and who does not: tokens, sessions, addresses."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from datetime import timedelta

import httpx2
import pytest
from mcp import MCPError

from server.principals import Role
from server.serve import transport_security
from tests.server.harness import Live, client, live_server, modern, post

LEGACY = {"mcp-protocol-version": "2025-06-18"}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("auth")) as running:
        yield running


def initialize(live: Live, token: str) -> str:
    """Open a session of the older protocol; return its id."""
    body = {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "initialize",
        "params": {
            "protocolVersion": "2025-06-18",
            "capabilities": {},
            "clientInfo": {"name": "t", "version": "1"},
        },
    }
    response = post(live.url, token, body, **LEGACY)
    session = response.headers["mcp-session-id"]
    note = {"jsonrpc": "2.0", "method": "notifications/initialized"}
    post(live.url, token, note, **LEGACY, **{"mcp-session-id": session})
    return str(session)


def test_no_token_is_told_what_to_send(live: Live) -> None:
    response = post(live.url, None, modern("tools/list"))
    assert response.status_code == 401
    assert response.headers["www-authenticate"] == 'Bearer realm="kernel-assay"'
    message = response.json()["error"]["message"]
    assert "There is no bearer token." in message and "assay principal add" in message


@pytest.mark.parametrize(
    "header",
    [
        "Bearer wrong",
        "Bearer",
        "Basic d3JpdGVyOng=",
        "assay_x",
        "Bearer assay_" + "A" * 43,
    ],
)
def test_a_malformed_or_unknown_token_is_refused(live: Live, header: str) -> None:
    response = post(live.url, None, modern("tools/list"), authorization=header)
    assert response.status_code == 401
    assert "unknown, expired or revoked" in response.json()["error"]["message"]


def test_a_token_in_the_url_is_refused_and_not_recorded(live: Live) -> None:
    token = live.tokens["writer"]
    response = post(f"{live.url}?token={token}", None, modern("tools/list"))
    assert response.status_code == 401
    assert "URL is not accepted" in response.json()["error"]["message"]
    assert httpx2.get(live.url.replace("/mcp", f"/{token}")).status_code == 404
    text = live.ledger_text()
    assert "http.rejected" in text
    assert token not in text


def test_an_expired_token_is_refused(live: Live) -> None:
    token = live.services.principals.add("late", Role.WRITER, timedelta(seconds=-1))[1]
    assert post(live.url, token, modern("tools/list")).status_code == 401


def test_a_revoked_token_stops_at_the_next_request_of_a_running_session(live: Live) -> None:
    token = live.services.principals.add("brief", Role.WRITER)[1]

    async def run() -> None:
        async with client(live.url, token, "legacy") as connected:
            assert not (await connected.call_tool("add", {"a": 1})).is_error
            live.services.principals.revoke("brief")
            with pytest.raises(MCPError):
                await connected.call_tool("add", {"a": 1})

    asyncio.run(run())
    assert [event.ok for event in live.calls("add") if event.actor == "brief"] == [True]
    assert post(live.url, token, modern("tools/list")).status_code == 401


def test_a_changed_role_counts_at_the_next_request_of_a_running_session(live: Live) -> None:
    token = live.services.principals.add("moved", Role.WRITER)[1]
    file = live.services.settings.state / "principals.json"

    async def run() -> None:
        async with client(live.url, token, "legacy") as connected:
            assert not (await connected.call_tool("write_note", {"text": "x"})).is_error
            records = json.loads(file.read_text())
            for record in records:
                if record["name"] == "moved":
                    record["role"] = "auditor"
            file.write_text(json.dumps(records))
            denied = await connected.call_tool("write_note", {"text": "y"})
            assert denied.structured_content["error"]["code"] == "role_denied"
            names = [tool.name for tool in (await connected.list_tools()).tools]
            assert "write_note" not in names

    asyncio.run(run())


def test_a_forwarded_address_is_not_believed(live: Live) -> None:
    headers = {"x-forwarded-for": "10.9.8.7", "forwarded": "for=10.9.8.7"}
    post(live.url, live.tokens["writer"], modern("tools/list"), **headers)
    post(live.url, None, modern("tools/list"), **headers)
    assert live.events()[-1].data["peer"] == "127.0.0.1"
    assert live.events("http.rejected")[-1].data["peer"] == "127.0.0.1"


def test_a_rotated_token_replaces_the_old_one_at_once(live: Live) -> None:
    old = live.services.principals.add("turning", Role.AUDITOR)[1]
    assert post(live.url, old, modern("tools/list")).status_code == 200
    new = live.services.principals.rotate("turning")[1]
    assert post(live.url, old, modern("tools/list")).status_code == 401
    assert post(live.url, new, modern("tools/list")).status_code == 200


def test_a_session_belongs_to_the_principal_that_opened_it(live: Live) -> None:
    session = initialize(live, live.tokens["writer"])
    headers = {**LEGACY, "mcp-session-id": session}
    body = {"jsonrpc": "2.0", "id": 2, "method": "tools/list"}
    assert post(live.url, live.tokens["writer"], body, **headers).status_code == 200
    assert post(live.url, live.tokens["verifier"], body, **headers).status_code == 404
    rejected = live.events("http.rejected")[-1]
    assert rejected.actor == "verifier-1" and rejected.data["status"] == 404


@pytest.mark.parametrize(
    "path", ["/", "/.well-known/oauth-protected-resource/mcp", "/register", "/mcp/", "/mcp/x"]
)
def test_nothing_exists_beside_mcp(live: Live, path: str) -> None:
    for token in (None, live.tokens["writer"]):
        headers = {"authorization": f"Bearer {token}"} if token else {}
        response = httpx2.get(live.url.removesuffix("/mcp") + path, headers=headers)
        assert response.status_code == 404
        assert "www-authenticate" not in response.headers


@pytest.mark.parametrize(
    ("header", "value", "status"),
    [("host", "evil.example", 421), ("origin", "http://evil.example", 403)],
)
def test_foreign_hosts_and_origins_are_refused(
    live: Live, header: str, value: str, status: int
) -> None:
    response = post(live.url, live.tokens["writer"], modern("tools/list"), **{header: value})
    assert response.status_code == status
    assert live.events("http.rejected")[-1].data["status"] == status


def test_a_wildcard_address_does_not_allow_any_host() -> None:
    security = transport_security("0.0.0.0")
    assert security.enable_dns_rebinding_protection
    assert not any("0.0.0.0" in host or host.startswith("*") for host in security.allowed_hosts)
    assert "127.0.0.1:*" in security.allowed_hosts
