"""A real server on loopback with small real tools, and real clients for it.

As a program, `python -m tests.server.harness STATE [--stdio NAME]`, it is a server process.
"""

from __future__ import annotations

import asyncio
import json
import subprocess
import sys
import threading
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import AsyncExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx2
import uvicorn
from mcp.client import Client
from mcp.client.streamable_http import streamable_http_client
from pydantic import BaseModel, ConfigDict, Field

from sandbox.errors import AssayError
from server.app import create_app
from server.ledger.checkpoint import create_key
from server.ledger.events import Event
from server.ledger.writer import Ledger
from server.principals import Principal, Principals, Role
from server.serve import _listen, http_config, serve_http, serve_stdio, transport_security
from server.settings import Settings
from server.tooling import Call, Tool

ORIGIN = "test/ledger"
EVERYONE = frozenset(Role)
MODES = ("legacy", "2026-07-28")


class In(BaseModel):
    model_config = ConfigDict(extra="forbid")


class Numbers(In):
    a: int = Field(ge=0, description="First.")
    b: int = 1


class Sum(BaseModel):
    total: int
    who: str
    role: str
    request: str


class Failing(In):
    kind: str


class Slow(In):
    seconds: float


class Note(In):
    text: str


class Stored(BaseModel):
    note: str

    def text(self) -> str:
        return f"noted: {self.note}"


class Nothing(In):
    pass


async def _add(call: Call, args: Numbers) -> Sum:
    who = call.principal
    return Sum(total=args.a + args.b, who=who.name, role=who.role, request=call.request_id)


async def _fail(call: Call, args: Failing) -> Sum:
    if args.kind == "assay":
        raise AssayError("unknown_thing", "There is no such thing.", "Look elsewhere.")
    if args.kind == "wrong_type":
        return Stored(note="not a sum")  # type: ignore[return-value]
    raise ValueError("a secret detail of /srv/private")


async def _slow(call: Call, args: Slow) -> Stored:
    for step in range(10):
        await call.progress(step / 10, "working")
        await asyncio.sleep(args.seconds / 10)
    return Stored(note="slept")


async def _stubborn(call: Call, args: Slow) -> Stored:
    """Wait, in a thread that cannot be cancelled, for a child process."""
    done = await asyncio.to_thread(subprocess.run, ["sleep", str(args.seconds)], check=False)
    return Stored(note=str(done.returncode))


async def _note(call: Call, args: Note) -> Stored:
    call.services.notes.append(args.text)  # type: ignore[attr-defined]
    return Stored(note=args.text)


def _tool(
    name: str, model: type[BaseModel], out: type[BaseModel], run: Any, **options: Any
) -> Tool:
    defaults: dict[str, Any] = {"roles": EVERYONE, "read_only": True}
    return Tool(name, name.title(), f"Do {name}.", model, out, handler=run, **(defaults | options))


TOOLS = (
    _tool("add", Numbers, Sum, _add),
    _tool("fail", Failing, Sum, _fail),
    _tool("review", Nothing, Stored, _note, roles=frozenset({Role.VERIFIER})),
    _tool("slow", Slow, Stored, _slow),
    _tool("stubborn", Slow, Stored, _stubborn, roles=frozenset({Role.AUDITOR})),
    _tool("write_note", Note, Stored, _note, roles=frozenset({Role.WRITER}), read_only=False),
)


class NoJobs:
    async def recover(self) -> int:
        return 0

    async def close(self) -> None:
        return None


@dataclass
class TestServices:
    """Real ledger, real principals."""

    __test__ = False
    settings: Settings
    ledger: Ledger
    principals: Principals
    jobs: NoJobs = field(default_factory=NoJobs)
    notes: list[str] = field(default_factory=list)


@contextmanager
def services_at(root: Path) -> Iterator[TestServices]:
    key = root / "key"
    if not key.exists():
        create_key(key, ORIGIN)
    with Ledger.open(root / "ledger", ORIGIN, key) as ledger:
        settings = Settings(state=root, port=0)
        yield TestServices(settings, ledger, Principals(root / "principals.json"))


@dataclass
class Live:
    """A running server and what its tests need."""

    url: str
    services: TestServices
    tokens: dict[str, str]

    def events(self, kind: str = "call") -> list[Event]:
        return list(self.services.ledger.events(kinds=(kind,)))

    def calls(self, tool: str) -> list[Event]:
        return [event for event in self.events() if event.tool == tool]

    def ledger_text(self) -> str:
        return "".join(
            path.read_text("utf-8", "replace")
            for path in sorted((self.services.settings.state / "ledger").rglob("*"))
            if path.is_file() and path.suffix in (".jsonl", "")
        )


@contextmanager
def live_server(root: Path, recorder: Callable[[Ledger], Any] = lambda led: led) -> Iterator[Live]:
    """Serve in a thread, on a free port."""
    with services_at(root) as services:
        tokens = {role.value: services.principals.add(f"{role}-1", role)[1] for role in Role}
        served = TestServices(services.settings, recorder(services.ledger), services.principals)
        services.notes = served.notes
        app = create_app(tools=TOOLS, services=served, instructions="Test.")
        listener = _listen("127.0.0.1", 0)
        server = uvicorn.Server(http_config(app.asgi(transport_security("127.0.0.1"))))
        thread = threading.Thread(target=lambda: asyncio.run(server.serve(sockets=[listener])))
        thread.start()
        try:
            while not server.started:
                threading.Event().wait(0.01)
            port = listener.getsockname()[1]
            yield Live(f"http://127.0.0.1:{port}/mcp", services, tokens)
        finally:
            server.should_exit = True
            thread.join(15)


@asynccontextmanager
async def client(url: str, token: str, mode: str = "auto") -> AsyncIterator[Client]:
    """The SDK's client over HTTP."""
    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx2.AsyncClient(headers={"Authorization": f"Bearer {token}"}, timeout=30)
        )
        transport = streamable_http_client(url, http_client=http)
        yield await stack.enter_async_context(Client(transport, mode=mode))


def post(url: str, token: str | None, body: Any, **headers: str) -> httpx2.Response:
    """One raw POST of the newer protocol."""
    base = {"accept": "application/json, text/event-stream", "mcp-protocol-version": "2026-07-28"}
    if token is not None:
        base["authorization"] = f"Bearer {token}"
    if isinstance(body, dict):
        base["mcp-method"] = body["method"]
        if isinstance(name := body.get("params", {}).get("name"), str):
            base["mcp-name"] = name
    content = body if isinstance(body, bytes) else json.dumps(body).encode()
    all_headers = base | {"content-type": "application/json"} | headers
    return httpx2.post(url, content=content, headers=all_headers, timeout=30)


def modern(method: str, **params: Any) -> dict[str, Any]:
    """A request of the newer protocol."""
    meta = {
        "io.modelcontextprotocol/protocolVersion": "2026-07-28",
        "io.modelcontextprotocol/clientCapabilities": {},
    }
    return {"jsonrpc": "2.0", "id": 1, "method": method, "params": {**params, "_meta": meta}}


def main(arguments: list[str]) -> None:
    with services_at(Path(arguments[0])) as services:
        if "--stdio" in arguments:
            record = services.principals.get(arguments[-1])
            serve_stdio(services, TOOLS, "Test.", Principal(record.name, record.role))
        else:
            serve_http(services, TOOLS, "Test.")


if __name__ == "__main__":
    main(sys.argv[1:])
