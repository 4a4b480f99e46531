"""The audit of HTTP: what is answered before, or without, reaching the protocol's own audit.

Refusals (no token, wrong path, wrong host, body too large, unreadable JSON, unknown session …)
become `http.rejected` events before their response starts. The streams, session ends and
notifications that HTTP alone answers become `call` events. Never recorded: the query string, any
header but the protocol version, the body. Below this layer only the HTTP parser is left; what it
refuses as not being HTTP at all leaves no event.

Only `/mcp` exists here. Clients that get 401 for anything else, or that find authorization
metadata, start an OAuth registration that cannot succeed.
"""

from __future__ import annotations

import asyncio
import json
import logging
from collections.abc import Mapping
from typing import Any

import anyio
from mcp.server.auth.middleware.bearer_auth import AuthenticatedUser
from mcp_types.version import HANDSHAKE_PROTOCOL_VERSIONS
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from server.audit import TRAIL, Recorder, Trail, new_request_id
from server.auth import principal_of
from server.redaction import redact

PATH = "/mcp"
UNAUTHENTICATED = -31401
NOT_FOUND = -31404
LEDGER_FAILED = -31503

_REASONS = {
    404: "There is nothing at this path or in this session.",
    405: "This method is not allowed here.",
    406: "The client does not accept application/json and text/event-stream.",
    413: "The body is too large.",
    500: "The server failed.",
}

logger = logging.getLogger(__name__)


class HttpAudit:
    """ASGI application around the protocol's own."""

    def __init__(self, app: ASGIApp, recorder: Recorder) -> None:
        self._app = app
        self._recorder = recorder
        self._stopping = asyncio.Event()

    def stop(self) -> None:
        """End the open session streams, which would otherwise hold up a shutdown."""
        self._stopping.set()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        exchange = _Exchange(scope, send, self._recorder)
        if scope["path"] != PATH:
            await exchange.refuse(404, NOT_FOUND, f"There is nothing here but {PATH}.")
            return
        scope[TRAIL] = exchange.trail
        if scope["method"] == "GET":
            receive = self._until_stopped(receive)
        await self._app(scope, receive, exchange.send)

    def _until_stopped(self, receive: Receive) -> Receive:
        """Tell a stream that its client left, once the server stops."""

        async def stoppable() -> Message:
            stopping = asyncio.ensure_future(self._stopping.wait())
            arriving = asyncio.ensure_future(receive())
            either: set[asyncio.Future[Any]] = {stopping, arriving}
            try:
                await asyncio.wait(either, return_when=asyncio.FIRST_COMPLETED)
                return arriving.result() if arriving.done() else {"type": "http.disconnect"}
            finally:
                stopping.cancel()
                arriving.cancel()

        return stoppable


class _Exchange:
    """One request and its response, held back where it has to be recorded first."""

    def __init__(self, scope: Scope, send: Send, recorder: Recorder) -> None:
        self.trail = Trail()
        self._scope = scope
        self._send = send
        self._recorder = recorder
        self._held: Message | None = None
        self._replaced = False

    async def send(self, message: Message) -> None:
        """Pass a message of the response on, after its event is durable."""
        if self._replaced:
            return
        if message["type"] == "http.response.start":
            status = message["status"]
            if status >= 400 and not self.trail.reached:
                self._held = message  # until the body tells the reason
                return
            if self._answered_by_http(status) and not await self._record(
                "call",
                ok=True,
                data={"method": f"http/{self._scope['method']}", "outcome": "ok", "code": ""},
            ):
                return
        elif self._held is not None:
            held, self._held = self._held, None
            await self._reject(held, message)
            return
        await self._send(message)

    async def refuse(self, status: int, code: int, message: str) -> None:
        """Answer with an error of our own."""
        if await self._rejected(status, message):
            await self._answer(status, code, message)

    async def _reject(self, start: Message, body: Message) -> None:
        if start["status"] == 401:
            await self.refuse(401, UNAUTHENTICATED, self._unauthenticated())
            self._replaced = True
        elif await self._rejected(start["status"], _reason(start["status"], body.get("body", b""))):
            await self._send(start)
            await self._send(body)

    def _unauthenticated(self) -> str:
        if b"token" in self._scope.get("query_string", b""):
            found = "A token in the URL is not accepted."
        elif any(key == b"authorization" for key, _ in self._scope["headers"]):
            found = "The bearer token is unknown, expired or revoked."
        else:
            found = "There is no bearer token."
        return (
            f"{found} Send the header 'Authorization: Bearer <token>'; the operator makes tokens "
            "with `assay principal add` and `assay principal rotate`."
        )

    def _answered_by_http(self, status: int) -> bool:
        """Streams, session ends, and notifications of the newer protocol, which ends at HTTP."""
        if self._scope["method"] != "POST":
            return True
        version = self._header(b"mcp-protocol-version")
        return status == 202 and version != "" and version not in HANDSHAKE_PROTOCOL_VERSIONS

    async def _rejected(self, status: int, reason: str) -> bool:
        return await self._record(
            "http.rejected",
            ok=False,
            data={"status": status, "method": self._scope["method"][:20], "reason": redact(reason)},
        )

    async def _record(self, kind: str, *, ok: bool, data: Mapping[str, Any]) -> bool:
        """Write an event; if that fails, answer 503 in place of anything else."""
        user = self._scope.get("user")
        who = principal_of(user.access_token) if isinstance(user, AuthenticatedUser) else None
        peer = self._scope.get("client")
        common = {
            "path": redact(self._scope["path"], 200),
            "peer": peer[0] if peer else "",
            "protocol": redact(self._header(b"mcp-protocol-version"), 40),
        }
        try:
            with anyio.CancelScope(shield=True):
                await self._recorder.record(
                    kind,
                    request=new_request_id(),
                    session=redact(self._header(b"mcp-session-id"), 64),
                    actor=who.name if who else "",
                    role=who.role if who else "",
                    ok=ok,
                    data={**common, **data},
                )
        except Exception:
            logger.exception("a %s event could not be recorded", kind)
            self._replaced = True
            await self._answer(503, LEDGER_FAILED, "The audit ledger cannot be written.")
            return False
        return True

    async def _answer(self, status: int, code: int, message: str) -> None:
        """An error that MCP clients show: the body is a JSON-RPC error without an id."""
        error = {"jsonrpc": "2.0", "id": None, "error": {"code": code, "message": message}}
        body = json.dumps(error).encode()
        headers = [
            (b"content-type", b"application/json"),
            (b"content-length", str(len(body)).encode()),
        ]
        if status == 401:
            headers.append((b"www-authenticate", b'Bearer realm="kernel-assay"'))
        await self._send({"type": "http.response.start", "status": status, "headers": headers})
        await self._send({"type": "http.response.body", "body": body})

    def _header(self, name: bytes) -> str:
        for key, value in self._scope["headers"]:
            if key == name:
                return str(value.decode("latin-1"))
        return ""


def _reason(status: int, body: bytes) -> str:
    """Why a request was refused, from the response that says so."""
    try:
        return str(json.loads(body)["error"]["message"])
    except (ValueError, KeyError, TypeError):
        return body[:300].decode("utf-8", "replace") or _REASONS.get(status, f"HTTP {status}")
