"""What the demonstration stands on: a real server process, real MCP clients, and steps that can fail."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from server.setup import PROBLEMS

READY = "listening on "


@dataclass
class Step:
    """One thing that should happen."""

    name: str
    ok: bool
    detail: str
    seconds: float


@dataclass
class Story:
    """The steps so far."""

    say: Callable[[Step], None]
    steps: list[Step] = field(default_factory=list)
    _since: float = field(default_factory=time.monotonic)

    def tell(self, name: str, ok: bool, detail: str) -> None:
        now = time.monotonic()
        step = Step(name, ok, detail, round(now - self._since, 2))
        self._since = now
        self.steps.append(step)
        self.say(step)

    @property
    def ok(self) -> bool:
        return bool(self.steps) and all(step.ok for step in self.steps)


@dataclass(frozen=True)
class Answer:
    """What a tool call gave: a structured result, or an error; and the text beside it."""

    ok: bool
    data: dict[str, Any]
    text: str = ""

    @property
    def error(self) -> str:
        return str(self.data.get("error", {}).get("message", self.data))


class Agent:
    """One MCP client."""

    def __init__(self, client: Any) -> None:
        self._client = client

    async def tools(self) -> list[str]:
        return [tool.name for tool in (await self._client.list_tools()).tools]

    async def call(self, name: str, **arguments: Any) -> Answer:
        """Call a tool; follow its job until the result is there."""
        from mcp import MCPError

        try:
            result = await self._client.call_tool(name, arguments)
        except MCPError as error:
            return Answer(False, {"error": {"message": error.error.message}})
        data = dict(result.structured_content or {})
        if result.is_error:
            return Answer(False, data)
        job = data.get("job")
        while job and job["state"] in ("queued", "running"):
            polled = await self.call("job_status", job_id=job["job_id"], wait_s=40)
            if not polled.ok or polled.data.get("result"):
                return polled if not polled.ok else Answer(True, _result(name, polled.data))
            job = polled.data["job"]
        return Answer(True, data, "".join(getattr(part, "text", "") for part in result.content))


def _result(tool: str, data: dict[str, Any]) -> dict[str, Any]:
    """A job's bare result in the shape that the tool itself answers with."""
    result = data["result"]
    return {"run": result["run"], "summary": ""} if tool == "run_bench" else dict(result)


@asynccontextmanager
async def connect(url: str, token: str) -> AsyncIterator[Agent]:
    """A client of the official SDK, with a bearer token."""
    import httpx2
    from mcp.client import Client
    from mcp.client.streamable_http import streamable_http_client

    async with AsyncExitStack() as stack:
        http = await stack.enter_async_context(
            httpx2.AsyncClient(
                headers={"Authorization": f"Bearer {token}"}, timeout=httpx2.Timeout(120.0)
            )
        )
        transport = streamable_http_client(url, http_client=http)
        yield Agent(await stack.enter_async_context(Client(transport)))


@dataclass(frozen=True)
class Server:
    """A server process on loopback."""

    process: subprocess.Popen[str]
    url: str

    def stop(self) -> int:
        self.process.terminate()
        try:
            return self.process.wait(timeout=10)
        except subprocess.TimeoutExpired:
            self.process.kill()
            return self.process.wait()


def assay(*arguments: str) -> subprocess.CompletedProcess[str]:
    """Run the command line as a person would."""
    return subprocess.run(
        [sys.executable, "-m", "tools.cli", *arguments],
        capture_output=True,
        text=True,
        check=False,
        timeout=300,
    )


def assay_json(*arguments: str) -> Any:
    """Run a command with --json; its output, parsed."""
    done = assay(*arguments, "--json")
    try:
        return json.loads(done.stdout)
    except json.JSONDecodeError:
        raise AssayError(
            "command_failed",
            f"assay {' '.join(arguments)} failed: {(done.stderr or done.stdout)[-2000:]}",
        ) from None


def start_server(state: Path) -> Server:
    """Start `assay serve` on a free port and wait until it listens."""
    log = (state / "serve.log").open("w")
    process = subprocess.Popen(
        [sys.executable, "-m", "tools.cli", "serve", "--state", str(state), "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=log,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
    )
    assert process.stdout is not None
    for line in process.stdout:
        if line.startswith(READY):
            return Server(process, line.removeprefix(READY).strip())
    raise AssayError(
        "server_failed",
        f"The server did not start: {(state / 'serve.log').read_text()[-2000:]}",
    )


def load(problem: str, solution: str) -> dict[str, Any]:
    """A shipped solution."""
    path = PROBLEMS / problem / "solutions" / f"{solution}.json"
    return dict(json.loads(path.read_text("utf-8")))
