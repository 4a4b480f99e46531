"""What a tool is: the shape that `tools/` fills in and the application factory serves.

A tool knows its input and output models, the roles that may call it, and a handler. It knows
nothing of MCP, of tokens or of the ledger: those are the application's business, so a tool cannot
forget to check or to record.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel

from server.principals import Principal, Role

if TYPE_CHECKING:
    from server.services import Services

Progress = Callable[[float, str], Awaitable[None]]
"""`await progress(fraction between 0 and 1, what is happening)`."""


@dataclass(frozen=True)
class Call:
    """One authenticated request, as a handler sees it."""

    principal: Principal
    services: Services
    request_id: str
    progress: Progress


@dataclass(frozen=True)
class Tool:
    """One MCP tool.

    Attributes:
        name: `snake_case`, stable.
        title: for people.
        description: for a language model: what it does, when to use it, what comes back.
        input_model: validated before the handler runs; unknown fields are refused.
        output_model: becomes both `structuredContent` and the output schema.
        roles: who may list and call it.
        handler: does the work; raises `AssayError` for what the caller can act on.
        read_only: the MCP `readOnlyHint`.
        idempotent: the MCP `idempotentHint`.
    """

    name: str
    title: str
    description: str
    input_model: type[BaseModel]
    output_model: type[BaseModel]
    roles: frozenset[Role]
    handler: Callable[[Call, Any], Awaitable[BaseModel]]
    read_only: bool
    idempotent: bool = True
