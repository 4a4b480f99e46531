"""Serving: the application on a socket, or on standard input and output for a trial.

HTTP is the real thing: the server runs as its own user, clients hold tokens. The stdio mode runs
as a child of the client, so whoever can edit the client's configuration can be anybody; each of its
events says `isolation: shared-uid`.

A stop is orderly: streams end with a proper last message, running calls get a short grace and are
then recorded as cancelled, and `server.stopped` is the last event. No heavy library is imported
here or below.
"""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import socket
import sys
import threading
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from types import FrameType
from typing import Protocol

import uvicorn
from mcp.server.stdio import stdio_server
from mcp.server.transport_security import TransportSecuritySettings

from sandbox.errors import AssayError
from server.app import AppServices, AssayApp, create_app
from server.children import children_end_on_request
from server.http_audit import PATH, HttpAudit
from server.principals import Principal
from server.settings import Settings
from server.tooling import Tool

GRACE_S = 3
SHARED_UID = {"isolation": "shared-uid"}
_LOOPBACK = ("127.0.0.1", "localhost", "[::1]")
_SIGNALS = (signal.SIGTERM, signal.SIGINT)


class Jobs(Protocol):
    """The work that outlives single calls."""

    async def recover(self) -> int:
        """Mark what an earlier server left unfinished."""
        ...

    async def close(self) -> None:
        """End what still runs, and record it."""
        ...


class ServedServices(AppServices, Protocol):
    """What a server process needs besides the application."""

    @property
    def settings(self) -> Settings:
        """Where to listen."""
        ...

    @property
    def jobs(self) -> Jobs:
        """Its background work."""
        ...


def serve_http(services: ServedServices, tools: Sequence[Tool], instructions: str) -> None:
    """Serve MCP over HTTP until SIGTERM or SIGINT.

    Prints one line, `listening on URL`, once requests are answered.

    Raises:
        AssayError: `address_unavailable`.
    """
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    settings = services.settings
    listener = _listen(settings.host, settings.port)
    url = f"http://{_bracketed(settings.host)}:{listener.getsockname()[1]}{PATH}"
    app = create_app(tools=tools, services=services, instructions=instructions)
    with listener, children_end_on_request() as stopping:
        asyncio.run(_serve(app, services, listener, url, stopping))


def serve_stdio(
    services: ServedServices, tools: Sequence[Tool], instructions: str, principal: Principal
) -> None:
    """Serve MCP to the one client at the other end of standard input and output, as `principal`."""
    logging.basicConfig(level=logging.WARNING, stream=sys.stderr)
    app = create_app(
        tools=tools,
        services=services,
        instructions=instructions,
        principal=principal,
        stamp=SHARED_UID,
    )
    with children_end_on_request() as stopping:
        asyncio.run(_serve_stdio(app, services, stopping))


def transport_security(host: str) -> TransportSecuritySettings:
    """Which Host and Origin headers are ours: loopback names, the bound address, our host name.

    Pages of other sites cannot reach the server through a name of theirs that resolves to it.
    """
    names = {*_LOOPBACK, _bracketed(host), socket.gethostname()} - {"0.0.0.0", "[::]"}  # noqa: S104
    hosts = sorted(names | {f"{name}:*" for name in names})
    return TransportSecuritySettings(
        enable_dns_rebinding_protection=True,
        allowed_hosts=hosts,
        allowed_origins=[f"{scheme}://{name}" for scheme in ("http", "https") for name in hosts],
    )


class _Server(uvicorn.Server):
    """uvicorn, told what else to end when a signal comes, and to return instead of dying of it."""

    def __init__(self, config: uvicorn.Config, app: AssayApp, http: HttpAudit, url: str) -> None:
        super().__init__(config)
        self._app = app
        self._http = http
        self._url = url
        self._loop = asyncio.get_running_loop()

    async def startup(self, sockets: list[socket.socket] | None = None) -> None:
        await super().startup(sockets)
        if self.started:
            print(f"listening on {self._url}", flush=True)

    def handle_exit(self, sig: int, frame: FrameType | None) -> None:
        self._loop.call_soon_threadsafe(self._app.listen.close)
        self._loop.call_soon_threadsafe(self._http.stop)
        super().handle_exit(sig, frame)

    @contextmanager
    def capture_signals(self) -> Iterator[None]:
        before = {sig: signal.signal(sig, self.handle_exit) for sig in _SIGNALS}
        try:
            yield
        finally:
            for sig, handler in before.items():
                signal.signal(sig, handler)


async def _serve(
    app: AssayApp,
    services: ServedServices,
    listener: socket.socket,
    url: str,
    stopping: threading.Event,
) -> None:
    http = app.asgi(transport_security(services.settings.host))
    config = http_config(http)
    await _started(services, {"url": url})
    try:
        await _Server(config, app, http, url).serve(sockets=[listener])
    finally:
        try:
            await _stopped(services, {"url": url})
        finally:
            stopping.set()


def http_config(app: HttpAudit) -> uvicorn.Config:
    """How uvicorn runs the application."""
    return uvicorn.Config(
        app,
        access_log=False,
        ws="none",
        log_config=None,
        lifespan="on",
        server_header=False,
        proxy_headers=False,  # or a client could choose the address that events name
        timeout_graceful_shutdown=GRACE_S,
    )


async def _serve_stdio(app: AssayApp, services: ServedServices, stopping: threading.Event) -> None:
    await _started(services, SHARED_UID)
    try:
        async with stdio_server() as (reading, writing):
            await app.server.run(reading, writing, app.server.create_initialization_options())
    finally:
        try:
            await _stopped(services, SHARED_UID)
        finally:
            stopping.set()


async def _started(services: ServedServices, data: Mapping[str, str]) -> None:
    lost = await services.jobs.recover()
    await services.ledger.record(
        "server.started",
        actor="server",
        role="server",
        data={"pid": os.getpid(), "lost_jobs": lost, **data},
    )


async def _stopped(services: ServedServices, data: Mapping[str, str]) -> None:
    await services.jobs.close()
    await services.ledger.record(
        "server.stopped", actor="server", role="server", data={"pid": os.getpid(), **data}
    )


def _listen(host: str, port: int) -> socket.socket:
    family = socket.AF_INET6 if ":" in host else socket.AF_INET
    try:
        listener = socket.create_server((host, port), family=family, backlog=128)
    except OSError as error:
        raise AssayError(
            "address_unavailable",
            f"Cannot listen on {host} port {port}: {error.strerror or error}.",
            "Stop what uses the port, or choose another with --port (0 picks a free one).",
        ) from error
    # asyncio does so only for sockets that it made itself; without, each answer waits 40 ms.
    listener.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return listener


def _bracketed(host: str) -> str:
    return f"[{host}]" if ":" in host else host
