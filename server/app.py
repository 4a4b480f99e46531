"""The application: our tools, roles and audit as an MCP server.

It is built on the SDK's low-level `Server`. `MCPServer` derives input schemas from function
signatures and has no public way to take ours, and it answers unknown tools with a result where the
protocol asks for an error. The low-level class takes handlers and schemas as they are, and serves
both protocol eras and both transports just the same.

A call passes, in this order: authentication (`server.auth`), the audit (`server.audit`), the role
gate, validation of its arguments, the handler. Nothing here reads a role from the request: the
principal is the one that authentication found for this very request.

A denial is a tool result with `isError`, not a JSON-RPC error: of the latter some clients show
their model the bare message and others wrap it in noise, while an error result reaches both whole.
Unknown tools are JSON-RPC errors, as the protocol has it.
"""

from __future__ import annotations

import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Protocol, cast

from mcp.server.caching import CacheHint
from mcp.server.context import ServerRequestContext
from mcp.server.lowlevel import Server
from mcp.server.subscriptions import InMemorySubscriptionBus, ListenHandler
from mcp.server.transport_security import TransportSecuritySettings
from mcp.shared.exceptions import MCPError
from mcp_types import (
    INVALID_PARAMS,
    CallToolRequestParams,
    CallToolResult,
    ListToolsResult,
    PaginatedRequestParams,
    TextContent,
    ToolAnnotations,
)
from mcp_types import Tool as WireTool
from pydantic import BaseModel, ValidationError
from starlette.types import ASGIApp

from sandbox.errors import AssayError
from server import __version__
from server.audit import Audit, Recorder, Request, current_request
from server.auth import Authenticator, Verifier, auth_settings
from server.http_audit import HttpAudit
from server.principals import Principal
from server.tooling import Call, Tool

NAME = "kernel-assay"
TITLE = "Kernel Assay"
MAX_INSTRUCTIONS_CHARS = 2000
MAX_TEXT_BYTES = 8000
LISTED_FOR_MS = 60_000

logger = logging.getLogger(__name__)


class AppServices(Protocol):
    """What the application itself needs; tools are handed the whole object."""

    @property
    def ledger(self) -> Recorder:
        """Where every request is recorded."""
        ...

    @property
    def principals(self) -> Authenticator:
        """Who may connect."""
        ...


@dataclass(frozen=True)
class AssayApp:
    """The application, not yet bound to a transport."""

    server: Server[Any]
    listen: ListenHandler
    services: AppServices

    def asgi(self, security: TransportSecuritySettings) -> HttpAudit:
        """The HTTP application: authenticated, audited, at /mcp only."""
        inner: ASGIApp = self.server.streamable_http_app(
            streamable_http_path="/mcp",
            json_response=False,  # as JSON, a client that hangs up would not stop its call
            transport_security=security,
            auth=auth_settings(),
            token_verifier=Verifier(self.services.principals),
        )
        return HttpAudit(inner, self.services.ledger)


def create_app(
    *,
    tools: Sequence[Tool],
    services: AppServices,
    instructions: str,
    principal: Principal | None = None,
    stamp: Mapping[str, str] | None = None,
) -> AssayApp:
    """Build the application.

    Args:
        tools: what to serve, listed in this order.
        services: passed on to handlers as it is.
        instructions: shown to models up front, at most 2,000 characters, the vital part first.
        principal: who everybody is on a transport without tokens; never given for HTTP.
        stamp: fields that every event of this application carries.

    Raises:
        ValueError: a tool or the instructions break a rule that clients rely on.
    """
    if len(instructions) > MAX_INSTRUCTIONS_CHARS:
        raise ValueError(
            f"instructions have {len(instructions)} characters, at most 2,000 are read"
        )
    catalogue = Catalogue(tools, services)
    listen = ListenHandler(InMemorySubscriptionBus())
    server: Server[Any] = Server(
        NAME,
        title=TITLE,
        version=__version__,
        instructions=instructions,
        cache_hints={
            "tools/list": CacheHint(ttl_ms=LISTED_FOR_MS, scope="private"),
            "server/discover": CacheHint(ttl_ms=LISTED_FOR_MS, scope="private"),
        },
        get_tool_input_schema=_no_parameter_headers,
        on_list_tools=catalogue.list_tools,
        on_call_tool=catalogue.call_tool,
        on_subscriptions_listen=listen,
    )
    # In place of the SDK's tracing, which would send arguments to wherever a tracer is configured.
    server.middleware[:] = [Audit(services.ledger, fixed=principal, stamp=stamp)]
    return AssayApp(server, listen, services)


class Catalogue:
    """The tools, and the two requests that concern them."""

    def __init__(self, tools: Sequence[Tool], services: AppServices) -> None:
        self._tools = {tool.name: tool for tool in tools}
        if len(self._tools) != len(tools):
            raise ValueError("two tools have the same name")
        for tool in tools:
            if tool.input_model.model_config.get("extra") != "forbid":
                raise ValueError(f"{tool.name}: its input model must forbid unknown fields")
        self._services = services

    @cached_property
    def _wire(self) -> dict[str, WireTool]:
        """What clients see. Schemas take a while, so they are made for the first client."""
        return {name: _wire(tool) for name, tool in self._tools.items()}

    async def list_tools(
        self, ctx: ServerRequestContext[Any, Any], params: PaginatedRequestParams | None
    ) -> ListToolsResult:
        """The tools that this principal's role may call."""
        principal = current_request().principal
        return ListToolsResult(
            tools=[
                self._wire[tool.name]
                for tool in self._tools.values()
                if principal is not None and principal.role in tool.roles
            ]
        )

    async def call_tool(
        self, ctx: ServerRequestContext[Any, Any], params: CallToolRequestParams
    ) -> CallToolResult:
        """Gate, validate, run."""
        request = current_request()
        tool = self._tools.get(params.name)
        if tool is None:
            raise MCPError(INVALID_PARAMS, f"Unknown tool: {params.name[:100]}")
        principal = request.principal
        if principal is None or principal.role not in tool.roles:
            return self._denied(request, tool)
        try:
            arguments = tool.input_model.model_validate(params.arguments or {})
        except ValidationError as error:
            return _failure(request, "invalid", _invalid(tool, error))

        async def progress(fraction: float, doing: str) -> None:
            await ctx.session.report_progress(fraction, 1.0, doing)

        call = Call(principal, cast(Any, self._services), request.request_id, progress)
        try:
            result = await tool.handler(call, arguments)
            return _success(tool, result)
        except AssayError as error:
            outcome = "invalid" if error.code == "invalid_arguments" else "error"
            return _failure(request, outcome, error)
        except Exception:
            logger.exception("request %s: %s failed", request.request_id, tool.name)
            defect = AssayError(
                "internal_error",
                f"The server failed inside {tool.name}; request id {request.request_id}.",
                "Try once more; if it fails again, give the operator the request id.",
            )
            return _failure(request, "error", defect)

    def _denied(self, request: Request, tool: Tool) -> CallToolResult:
        who = request.principal
        if who is None:
            error = AssayError("not_authenticated", "This request has no authenticated principal.")
            return _failure(request, "denied", error)
        able = [t.name for t in self._tools.values() if who.role in t.roles]
        error = AssayError(
            "role_denied",
            f"You are {who.name!r} with the role {who.role}; {tool.name} is for "
            f"{' and '.join(sorted(tool.roles))} only.",
            f"Do not retry. Your tools: {', '.join(able)}. "
            f"Leave {tool.name} to a principal that has the role.",
        )
        return _failure(request, "denied", error)


def _wire(tool: Tool) -> WireTool:
    """A tool as clients see it, with all four hints: a client may refuse what leaves one open."""
    return WireTool(
        name=tool.name,
        title=tool.title,
        description=tool.description,
        input_schema=tool.input_model.model_json_schema(),
        output_schema=_output_schema(tool.output_model),
        annotations=ToolAnnotations(
            title=tool.title,
            read_only_hint=tool.read_only,
            destructive_hint=False,
            idempotent_hint=tool.idempotent,
            open_world_hint=False,
        ),
    )


class _Error(BaseModel):
    """Why a call has no result."""

    code: str
    message: str
    hint: str


class _Failed(BaseModel):
    error: _Error


def _output_schema(model: type[BaseModel]) -> dict[str, Any]:
    """The result or the error: some clients hold failed calls to the schema as well."""
    result = model.model_json_schema(mode="serialization")
    failed = _Failed.model_json_schema(mode="serialization")
    definitions = {**result.pop("$defs", {}), "AssayFailure": failed["$defs"]["_Error"]}
    failed["properties"]["error"] = {"$ref": "#/$defs/AssayFailure"}
    del failed["$defs"]
    return {"type": "object", "anyOf": [result, failed], "$defs": definitions}


def _success(tool: Tool, result: BaseModel) -> CallToolResult:
    if not isinstance(result, tool.output_model):
        raise TypeError(f"{tool.name} returned {type(result).__name__}")
    structured = result.model_dump(mode="json", by_alias=True)
    render = getattr(result, "text", None)
    text = render() if callable(render) else _compact(structured)
    return CallToolResult(content=[_text(text)], structured_content=structured)


def _failure(request: Request, outcome: str, error: AssayError) -> CallToolResult:
    """An error that a model can act on; its text and its structure say the same."""
    request.fail(outcome, error.code, error.message)
    structured = {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    text = "\n".join(part for part in (f"{error.code}: {error.message}", error.hint) if part)
    return CallToolResult(content=[_text(text)], structured_content=structured, is_error=True)


def _invalid(tool: Tool, error: ValidationError) -> AssayError:
    """Name each wrong field, without echoing its value."""
    problems = []
    for item in error.errors(include_url=False, include_input=False, include_context=False)[:8]:
        where = ".".join(str(part)[:80] for part in item["loc"]) or "(arguments)"
        unknown = item["type"] == "extra_forbidden"
        problems.append(f"{where}: {'unknown argument' if unknown else item['msg'][:300]}")
    more = error.error_count() - len(problems)
    fields = tool.input_model.model_fields
    allowed = ", ".join(
        f"{field.alias or name}{' (required)' if field.is_required() else ''}"
        for name, field in fields.items()
    )
    return AssayError(
        "invalid_arguments",
        f"{tool.name}: {'; '.join(problems)}{f'; and {more} more' if more > 0 else ''}.",
        f"Arguments: {allowed or 'none'}. Who you are follows from your token, never from an "
        "argument.",
    )


def _text(text: str) -> TextContent:
    raw = text.encode("utf-8", "replace")
    if len(raw) <= MAX_TEXT_BYTES:
        return TextContent(type="text", text=raw.decode("utf-8"))
    note = f"\n… cut at {MAX_TEXT_BYTES} of {len(raw)} bytes; structuredContent has all of it."
    head = raw[: MAX_TEXT_BYTES - len(note.encode())].decode("utf-8", "ignore")
    return TextContent(type="text", text=head + note)


def _compact(value: object) -> str:
    return json.dumps(value, separators=(",", ":"), ensure_ascii=False)


def _no_parameter_headers(name: str) -> Mapping[str, Any] | None:
    """No tool of ours asks for its arguments in HTTP headers."""
    return None
