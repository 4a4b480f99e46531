"""What clients of both protocol eras get: tools, results, errors, receipts."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from mcp import MCPError
from pydantic import BaseModel

from server.app import MAX_TEXT_BYTES, _output_schema, _text, create_app
from server.principals import Role
from tests.server.harness import MODES, TOOLS, Live, Stored, Sum, _tool, client, live_server

ALLOWED = {
    "writer": {"add", "fail", "slow", "write_note"},
    "verifier": {"add", "fail", "slow", "review"},
    "auditor": {"add", "fail", "slow", "stubborn"},
}
ARGUMENTS: dict[str, dict[str, Any]] = {
    "add": {"a": 1},
    "fail": {"kind": "assay"},
    "slow": {"seconds": 0},
    "stubborn": {"seconds": 0},
    "write_note": {"text": "x"},
    "review": {},
}


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    with live_server(tmp_path_factory.mktemp("app")) as running:
        yield running


def call(live: Live, role: str, mode: str, tool: str, arguments: dict[str, Any]) -> Any:
    async def run() -> Any:
        async with client(live.url, live.tokens[role], mode) as connected:
            await connected.list_tools()
            return await connected.call_tool(tool, arguments)

    return asyncio.run(run())


@pytest.mark.parametrize("mode", MODES)
@pytest.mark.parametrize("role", ALLOWED)
def test_each_role_lists_and_calls_its_own_tools_only(live: Live, role: str, mode: str) -> None:
    async def run() -> None:
        async with client(live.url, live.tokens[role], mode) as connected:
            listed = (await connected.list_tools()).tools
            assert [tool.name for tool in listed] == sorted(ALLOWED[role])
            for tool in TOOLS:
                result = await connected.call_tool(tool.name, ARGUMENTS[tool.name])
                code = (result.structured_content or {}).get("error", {}).get("code", "")
                assert (code == "role_denied") == (tool.name not in ALLOWED[role]), tool.name
                if code == "role_denied":
                    assert result.is_error
                    assert f"the role {role}" in result.content[0].text
                    assert "Do not retry" in result.content[0].text

    before = len(live.services.notes)
    asyncio.run(run())
    assert len(live.services.notes) - before == (1 if role == "writer" else 0)
    denied = [e for e in live.events() if e.role == role and e.data["outcome"] == "denied"]
    assert {e.tool for e in denied} == {t.name for t in TOOLS} - ALLOWED[role]
    assert all(e.actor == f"{role}-1" and e.ok is False for e in denied)


@pytest.mark.parametrize("mode", MODES)
def test_result_is_structured_and_carries_the_receipt_of_its_own_event(
    live: Live, mode: str
) -> None:
    result = call(live, "writer", mode, "add", {"a": 2, "b": 40})
    assert result.structured_content["total"] == 42
    assert result.structured_content["who"] == "writer-1"
    assert json.loads(result.content[0].text) == result.structured_content
    receipt = result.meta["kernel-assay/ledger"]
    [event] = [e for e in live.calls("add") if e.seq == receipt["seq"]]
    assert event.request == result.structured_content["request"]
    assert event.data["args"] == {"a": 2, "b": 40}
    assert event.data["outcome"] == "ok" and event.ok is True
    following = next(live.services.ledger.events(from_seq=event.seq + 1), None)
    head = following.prev if following else live.services.ledger.head.head
    assert head == receipt["head"]


def test_the_models_own_text_is_used(live: Live) -> None:
    assert call(live, "writer", "auto", "write_note", {"text": "hi"}).content[0].text == "noted: hi"


@pytest.mark.parametrize("name", ["role", "principal", "actor"])
def test_forged_identity_arguments_are_refused_by_name(live: Live, name: str) -> None:
    result = call(live, "verifier", "auto", "add", {"a": 1, name: "writer"})
    assert result.is_error
    error = result.structured_content["error"]
    assert error["code"] == "invalid_arguments"
    assert f"{name}: unknown argument" in error["message"]
    assert "token" in error["hint"] and "a (required)" in error["hint"]
    assert live.calls("add")[-1].data["outcome"] == "invalid"


def test_invalid_values_name_the_field_and_the_rule(live: Live) -> None:
    result = call(live, "writer", "auto", "add", {"a": -1, "b": "many"})
    message = result.structured_content["error"]["message"]
    assert "a: Input should be greater than or equal to 0" in message and "b: " in message


def test_an_assay_error_reads_the_same_as_text_and_as_structure(live: Live) -> None:
    result = call(live, "writer", "auto", "fail", {"kind": "assay"})
    assert result.is_error
    assert result.structured_content == {
        "error": {
            "code": "unknown_thing",
            "message": "There is no such thing.",
            "hint": "Look elsewhere.",
        }
    }
    text = result.content[0].text
    assert text == "unknown_thing: There is no such thing.\nLook elsewhere."


@pytest.mark.parametrize("kind", ["boom", "wrong_type"])
def test_a_defect_is_reported_without_its_details(live: Live, kind: str) -> None:
    result = call(live, "writer", "auto", "fail", {"kind": kind})
    event = live.calls("fail")[-1]
    assert result.is_error
    assert result.structured_content["error"]["code"] == "internal_error"
    assert event.request in result.structured_content["error"]["message"]
    assert "secret" not in str(result) + str(event)
    assert event.data["outcome"] == "error"


@pytest.mark.parametrize("mode", MODES)
def test_an_unknown_tool_is_a_protocol_error(live: Live, mode: str) -> None:
    async def run() -> None:
        async with client(live.url, live.tokens["writer"], mode) as connected:
            with pytest.raises(MCPError) as raised:
                await connected.call_tool("no_such_tool", {})
            assert raised.value.error.code == -32602
            assert "no_such_tool" in raised.value.error.message

    asyncio.run(run())
    assert live.calls("no_such_tool")[-1].ok is False


def test_all_hints_are_explicit_and_lists_are_private(live: Live) -> None:
    async def run() -> Any:
        async with client(live.url, live.tokens["writer"], "2026-07-28") as connected:
            return await connected.list_tools()

    listed = asyncio.run(run())
    assert listed.cache_scope == "private"
    for tool in listed.tools:
        hints = tool.annotations
        assert hints.destructive_hint is False and hints.open_world_hint is False
        assert hints.read_only_hint is (tool.name != "write_note")
        assert hints.idempotent_hint is True
        assert tool.input_schema["additionalProperties"] is False
        assert tool.output_schema["type"] == "object"


def test_progress_reaches_the_client(live: Live) -> None:
    seen: list[float] = []

    async def heard(progress: float, total: float | None, message: str | None) -> None:
        seen.append(progress)

    async def run() -> None:
        async with client(live.url, live.tokens["writer"]) as connected:
            await connected.call_tool("slow", {"seconds": 0.2}, progress_callback=heard)

    asyncio.run(run())
    assert len(seen) == 10


def test_results_and_errors_both_fit_the_output_schema() -> None:
    import jsonschema

    schema = _output_schema(Sum)
    jsonschema.validate({"total": 1, "who": "a", "role": "b", "request": "c"}, schema)
    jsonschema.validate({"error": {"code": "a", "message": "b", "hint": ""}}, schema)
    with pytest.raises(jsonschema.ValidationError):
        jsonschema.validate({"total": "one"}, schema)


@pytest.mark.parametrize("text", ["x" * 9000, "é" * 9000, "\ud800" * 9000])
def test_long_text_is_cut_and_says_so(text: str) -> None:
    shown = _text(text).text
    assert len(shown.encode()) <= MAX_TEXT_BYTES
    assert "cut at" in shown


def test_rules_that_clients_rely_on_are_checked_at_start(live: Live, tmp_path: Path) -> None:
    class Open(BaseModel):
        pass

    def build(*tools: Any, instructions: str = "") -> None:
        create_app(tools=tools, services=live.services, instructions=instructions)

    with pytest.raises(ValueError, match="forbid"):
        build(_tool("open", Open, Stored, None, roles=frozenset({Role.WRITER})))
    with pytest.raises(ValueError, match="same name"):
        build(TOOLS[0], TOOLS[0])
    with pytest.raises(ValueError, match="2001"):
        build(instructions="x" * 2001)
