"""What roles, authentication and the durable audit cost, against a bare SDK server.

Both serve the same trivial tool over loopback HTTP from processes of their own, called in turns in
the same run by a plain keep-alive client. Reported: server CPU and wall time per call at one call
in flight, calls per second at eight, start-up, resident memory. `ours_in_memory` keeps its ledger
on a file system in memory, which tells the cost of our code from that of the disk's fdatasync.

    python -m benchmarks.mcp_overhead [--calls 300] [--rounds 5] [--starts 3]
"""

from __future__ import annotations

import argparse
import http.client
import json
import os
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]
READY = "listening on "
MEMORY = "/dev/shm"
META = {
    "io.modelcontextprotocol/protocolVersion": "2026-07-28",
    "io.modelcontextprotocol/clientCapabilities": {},
}
BODY = json.dumps(
    {
        "jsonrpc": "2.0",
        "id": 1,
        "method": "tools/call",
        "params": {"name": "add", "arguments": {"a": 1, "b": 2}, "_meta": META},
    }
)
TICK_S = 1 / os.sysconf("SC_CLK_TCK")


def serve_ours(state: str) -> None:
    """The real thing: real ledger, real principals, `server.serve`."""
    from pydantic import BaseModel, ConfigDict

    from server.ledger.checkpoint import create_key
    from server.ledger.writer import Ledger
    from server.principals import Principals, Role
    from server.serve import serve_http
    from server.settings import Settings
    from server.tooling import Call, Tool

    class In(BaseModel):
        model_config = ConfigDict(extra="forbid")
        a: int
        b: int

    class Out(BaseModel):
        result: int

    async def add(call: Call, args: In) -> Out:
        return Out(result=args.a + args.b)

    class Jobs:
        async def recover(self) -> int:
            return 0

        async def close(self) -> None:
            return None

    @dataclass
    class Services:
        settings: Settings
        ledger: Ledger
        principals: Principals
        jobs: Jobs

    root = Path(state)
    create_key(root / "key", "benchmark")
    principals = Principals(root / "principals.json")
    (root / "token").write_text(principals.add("bench", Role.WRITER)[1])
    tool = Tool("add", "Add", "Add.", In, Out, frozenset(Role), add, read_only=True)
    with Ledger.open(root / "ledger", "benchmark", root / "key") as ledger:
        serve_http(Services(Settings(state=root, port=0), ledger, principals, Jobs()), [tool], "")


def serve_bare() -> None:
    """An SDK server without any of it."""
    import asyncio
    import socket

    import uvicorn
    from mcp.server import MCPServer

    mcp = MCPServer("bare", log_level="WARNING")

    @mcp.tool()
    async def add(a: int, b: int) -> int:
        """Add."""
        return a + b

    class Server(uvicorn.Server):
        async def startup(self, sockets: list[socket.socket] | None = None) -> None:
            await super().startup(sockets)
            port = self.servers[0].sockets[0].getsockname()[1]
            print(f"{READY}http://127.0.0.1:{port}/mcp", flush=True)

    config = uvicorn.Config(mcp.streamable_http_app(), port=0, log_config=None, access_log=False)
    asyncio.run(Server(config).serve())


@dataclass
class Server:
    """A server process and what was measured of it."""

    name: str
    kind: str
    state: Path
    start_s: list[float] = field(default_factory=list)
    wall_ms: list[float] = field(default_factory=list)
    user_ms: list[float] = field(default_factory=list)
    system_ms: list[float] = field(default_factory=list)
    per_second: list[float] = field(default_factory=list)
    rss_mib: float = 0.0
    port: int = 0
    token: str = ""
    process: subprocess.Popen[str] | None = None

    def start(self) -> None:
        directory = self.state / f"{self.name}-{len(self.start_s)}"
        directory.mkdir()
        began = time.monotonic()
        self.process = subprocess.Popen(
            [sys.executable, "-m", "benchmarks.mcp_overhead", "--serve", self.kind, str(directory)],
            stdout=subprocess.PIPE,
            text=True,
            cwd=ROOT,
        )
        assert self.process.stdout is not None
        line = self.process.stdout.readline()
        self.port = int(line.rsplit(":", 1)[1].split("/")[0])
        token = directory / "token"
        self.token = token.read_text() if token.exists() else ""
        self.call(self.connect())
        self.start_s.append(time.monotonic() - began)

    def stop(self) -> None:
        assert self.process is not None
        self.process.terminate()
        self.process.wait(10)

    def connect(self) -> http.client.HTTPConnection:
        return http.client.HTTPConnection("127.0.0.1", self.port, timeout=30)

    def call(self, connection: http.client.HTTPConnection) -> None:
        headers = {
            "Content-Type": "application/json",
            "Accept": "application/json, text/event-stream",
            "MCP-Protocol-Version": "2026-07-28",
            "Mcp-Method": "tools/call",
            "Mcp-Name": "add",
            "Authorization": f"Bearer {self.token}",
        }
        connection.request("POST", "/mcp", BODY, headers)
        answer: Any = json.loads(connection.getresponse().read())
        if answer["result"]["structuredContent"] != {"result": 3}:
            raise SystemExit(f"{self.name}: wrong answer {answer}")

    def cpu_s(self) -> tuple[float, float]:
        """User and system time so far."""
        assert self.process is not None
        stat = Path(f"/proc/{self.process.pid}/stat").read_text().rsplit(")", 1)[1].split()
        return int(stat[11]) * TICK_S, int(stat[12]) * TICK_S

    def memory(self) -> float:
        assert self.process is not None
        status = Path(f"/proc/{self.process.pid}/status").read_text()
        return int(status.split("VmRSS:")[1].split()[0]) / 1024

    def measure(self, calls: int) -> None:
        """One round at one call in flight, one at eight."""
        connection = self.connect()
        self.call(connection)
        user, system = self.cpu_s()
        for _ in range(calls):
            began = time.perf_counter()
            self.call(connection)
            self.wall_ms.append((time.perf_counter() - began) * 1e3)
        user_after, system_after = self.cpu_s()
        self.user_ms.append((user_after - user) / calls * 1e3)
        self.system_ms.append((system_after - system) / calls * 1e3)
        began = time.perf_counter()
        threads = [threading.Thread(target=self._many, args=(calls // 8,)) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
        self.per_second.append(calls // 8 * 8 / (time.perf_counter() - began))

    def _many(self, calls: int) -> None:
        connection = self.connect()
        for _ in range(calls):
            self.call(connection)

    def figures(self) -> dict[str, float]:
        return {
            "user_cpu_ms_per_call": round(statistics.mean(self.user_ms), 3),
            "system_cpu_ms_per_call": round(statistics.mean(self.system_ms), 3),
            "p50_ms": round(statistics.median(self.wall_ms), 3),
            "p95_ms": round(statistics.quantiles(self.wall_ms, n=20)[18], 3),
            "calls_per_s_at_8": round(max(self.per_second)),
            "first_answer_s": round(min(self.start_s), 2),
            "rss_mib": round(self.rss_mib, 1),
        }


def main() -> None:
    """Run both and print the figures as JSON."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--calls", type=int, default=300)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--starts", type=int, default=3)
    options = parser.parse_args()
    memory_file_system = MEMORY if os.access(MEMORY, os.W_OK) else None
    with (
        tempfile.TemporaryDirectory() as disk,
        tempfile.TemporaryDirectory(dir=memory_file_system) as memory,
    ):
        servers = [
            Server("bare", "bare", Path(disk)),
            Server("ours", "ours", Path(disk)),
            Server("ours_in_memory", "ours", Path(memory)),
        ]
        for attempt in range(options.starts):
            for server in servers:
                server.start()
                if attempt < options.starts - 1:
                    server.stop()
        for _ in range(options.rounds):
            for server in servers:
                server.measure(options.calls)
        for server in servers:
            server.rss_mib = server.memory()
            server.stop()
    figures = {server.name: server.figures() for server in servers}
    bare, ours = figures["bare"], figures["ours"]
    print(
        json.dumps(
            {
                **figures,
                "added_cpu_ms_per_call": round(_cpu(ours) - _cpu(bare), 3),
                "added_cpu_ms_per_call_in_memory": round(
                    _cpu(figures["ours_in_memory"]) - _cpu(bare), 3
                ),
                "added_p50_ms": round(ours["p50_ms"] - bare["p50_ms"], 3),
                "start_ratio": round(ours["first_answer_s"] / bare["first_answer_s"], 2),
                "load_average": os.getloadavg()[0],
            },
            indent=1,
        )
    )


def _cpu(figures: dict[str, float]) -> float:
    return figures["user_cpu_ms_per_call"] + figures["system_cpu_ms_per_call"]


if __name__ == "__main__":
    if sys.argv[1:2] == ["--serve"]:
        serve_ours(sys.argv[3]) if sys.argv[2] == "ours" else serve_bare()
    else:
        main()
