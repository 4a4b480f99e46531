"""The audit of MCP requests: one durable event for each, before its result leaves.

`Audit` is the outermost middleware of the protocol server, so it sees every request and
notification that is JSON-RPC at all: answered, denied, invalid, failed or cancelled. What HTTP
rejects earlier is `server.http_audit`'s business. It trusts the principal that authentication put
into the context and nothing that the client says about itself. If the ledger cannot be written, the
client gets an error and no result. Tokens, headers and query strings never reach an event.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Protocol

import anyio
from mcp.server.context import CallNext, HandlerResult, ServerRequestContext
from mcp.shared.exceptions import MCPError
from mcp_types import INTERNAL_ERROR, INVALID_PARAMS
from pydantic import ValidationError

from server.auth import current_principal
from server.ledger.events import Receipt
from server.principals import Principal
from server.redaction import canonical_sha256, preview, redact

LEDGER_META = "kernel-assay/ledger"
TRAIL = "kernel-assay.trail"
_LISTEN = "subscriptions/listen"

logger = logging.getLogger(__name__)


class Recorder(Protocol):
    """What the audit needs of a ledger."""

    async def record(
        self,
        kind: str,
        *,
        request: str = "",
        session: str = "",
        actor: str = "",
        role: str = "",
        tool: str = "",
        ok: bool | None = None,
        dur_ms: float | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Append an event and return once it is durable."""
        ...


@dataclass
class Trail:
    """Shared between the HTTP layer and this one: did the request get here?"""

    reached: bool = False


@dataclass
class Request:
    """The request being served, for its handler; the handler sets how it ended."""

    request_id: str
    principal: Principal | None
    outcome: str = "ok"
    code: str = ""
    message: str = ""
    started: float = field(default_factory=time.monotonic)

    def fail(self, outcome: str, code: str, message: str) -> None:
        self.outcome, self.code, self.message = outcome, code, message


_current: ContextVar[Request] = ContextVar("kernel_assay_request")


def current_request() -> Request:
    """The request that this task serves."""
    return _current.get()


def new_request_id() -> str:
    return f"req_{secrets.token_hex(10)}"


class Audit:
    """Middleware: record each request, then let its result go."""

    def __init__(
        self,
        recorder: Recorder,
        *,
        fixed: Principal | None = None,
        stamp: Mapping[str, str] | None = None,
    ) -> None:
        """`fixed`: the principal where there are no tokens (stdio); `stamp`: in every event."""
        self._recorder = recorder
        self._fixed = fixed
        self._stamp = dict(stamp or {})

    async def __call__(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext
    ) -> HandlerResult:
        _mark_reached(ctx)
        request = Request(new_request_id(), self._fixed or current_principal())
        token = _current.set(request)
        try:
            if ctx.request_id is None:
                await self._record(ctx, request)
                await call_next(ctx)
                return None
            if ctx.method == _LISTEN:  # its result is the end of a stream that opens right away
                await self._record(ctx, request)
                return await self._outcome(ctx, call_next, request)
            result = await self._outcome(ctx, call_next, request)
            receipt = await self._record(ctx, request)
            return _stamped(result, receipt)
        finally:
            _current.reset(token)

    async def _outcome(
        self, ctx: ServerRequestContext[Any, Any], call_next: CallNext, request: Request
    ) -> HandlerResult:
        """Run the request; a failure is recorded before it is passed on."""
        try:
            return await call_next(ctx)
        except MCPError as error:
            outcome = "invalid" if error.error.code == INVALID_PARAMS else "error"
            request.fail(outcome, str(error.error.code), error.error.message)
            await self._record(ctx, request)
            raise
        except ValidationError as error:
            request.fail("invalid", str(INVALID_PARAMS), f"{error.error_count()} invalid fields")
            await self._record(ctx, request)
            raise
        except asyncio.CancelledError:
            request.fail("cancelled", "cancelled", "The client or the server ended the request.")
            await self._record(ctx, request)
            raise
        except Exception as error:
            logger.exception("request %s failed", request.request_id)
            request.fail("error", "internal_error", type(error).__name__)
            await self._record(ctx, request)
            raise MCPError(
                INTERNAL_ERROR, f"The server failed on this request ({request.request_id})."
            ) from error

    async def _record(self, ctx: ServerRequestContext[Any, Any], request: Request) -> Receipt:
        """Write the event. Not interruptible: what was done must be recorded.

        Raises:
            MCPError: the ledger cannot be written; nothing may leave.
        """
        name, arguments = _named(ctx)
        who = request.principal
        data = {
            "method": redact(ctx.method, 100),
            "outcome": request.outcome,
            "code": request.code,
            "message": redact(request.message),
            "args_sha256": canonical_sha256(arguments),
            "args": preview(arguments),
            "client": _client(ctx),
            "protocol": ctx.protocol_version,
            "peer": _peer(ctx),
        }
        receipt: Receipt | None = None
        try:
            with anyio.CancelScope(shield=True):
                receipt = await self._recorder.record(
                    "call",
                    request=request.request_id,
                    session=_session(ctx),
                    actor=who.name if who else "",
                    role=who.role if who else "",
                    tool=redact(name, 100),
                    ok=request.outcome == "ok",
                    dur_ms=round((time.monotonic() - request.started) * 1e3, 3),
                    data=data | self._stamp,
                )
        except Exception as error:
            logger.exception("request %s could not be recorded", request.request_id)
            raise MCPError(
                INTERNAL_ERROR,
                "The audit ledger cannot be written, so this request has no result. "
                "Tell the operator: the server's log says why.",
            ) from error
        assert receipt is not None  # a shielded scope swallows nothing
        return receipt


def _stamped(result: HandlerResult, receipt: Receipt) -> HandlerResult:
    """Put the ledger's head into a result, which makes its receiver a witness of it."""
    if not isinstance(result, dict):
        return result
    head = {"seq": receipt.seq, "head": receipt.head}
    return {**result, "_meta": {**(result.get("_meta") or {}), LEDGER_META: head}}


def _mark_reached(ctx: ServerRequestContext[Any, Any]) -> None:
    scope = getattr(ctx.request, "scope", None)
    trail = scope.get(TRAIL) if scope is not None else None
    if isinstance(trail, Trail):
        trail.reached = True


def _named(ctx: ServerRequestContext[Any, Any]) -> tuple[str, object]:
    """The tool and the arguments of a request, as the client sent them."""
    params = dict(ctx.params or {})
    params.pop("_meta", None)
    if ctx.method != "tools/call":
        return "", params
    name = params.get("name")
    return name if isinstance(name, str) else "", params.get("arguments") or {}


def _client(ctx: ServerRequestContext[Any, Any]) -> str:
    """What the client calls itself. Its own claim: useful, never trusted."""
    params = ctx.session.client_params
    info = params.client_info if params else None
    return redact(f"{info.name}/{info.version}", 100) if info else ""


def _peer(ctx: ServerRequestContext[Any, Any]) -> str:
    client = getattr(ctx.request, "client", None)
    return client.host if client else ""


def _session(ctx: ServerRequestContext[Any, Any]) -> str:
    headers = getattr(ctx.request, "headers", None)
    return redact(headers.get("mcp-session-id", ""), 64) if headers is not None else ""
