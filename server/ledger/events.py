"""Events: what one line of the ledger says, and its one canonical encoding.

A line is ASCII JSON without spaces, `prev` last. Values come from callers who may be hostile, so
whatever some reader of JSON would refuse (lone surrogates, NUL, integers over 64 bits, deep
nesting) is replaced here: an event that a query engine silently skips would be a hidden event.
Numbers that are not finite are refused.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from sandbox.errors import AssayError

VERSION = 1
MAX_LINE_BYTES = 4 << 20
"""Far above what an event should hold; large texts are artifacts. Readers may rely on it."""

_MAX_DEPTH = 32
_KIND = re.compile(r"[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)*")
_UNSAFE = re.compile("[\x00\ud800-\udfff]")


@dataclass(frozen=True)
class Event:
    """One event, as read back."""

    seq: int
    ts: str
    kind: str
    request: str = ""
    session: str = ""
    actor: str = ""
    role: str = ""
    tool: str = ""
    ok: bool | None = None
    dur_ms: float | None = None
    data: Mapping[str, Any] = field(default_factory=dict)
    prev: str = ""
    v: int = VERSION


@dataclass(frozen=True)
class Receipt:
    """Proof that an event is durable: its number and the hash of its line.

    Whoever keeps `(seq, head)` can later show that the ledger up to there was changed.
    """

    seq: int
    head: str
    ts: str


def genesis(origin: str) -> str:
    """The `prev` of the first line."""
    return sha256(b"genesis:" + origin.encode()).hexdigest()


def encode_body(
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
) -> str:
    """Everything of a line that does not depend on its place in the ledger.

    Raises:
        AssayError: `event_invalid` or `event_too_large`.
    """
    if not _KIND.fullmatch(kind):
        raise AssayError("event_invalid", f"{kind[:80]!r} is not an event kind.")
    fields = {
        "kind": kind,
        "request": request,
        "session": session,
        "actor": actor,
        "role": role,
        "tool": tool,
        "ok": ok,
        "dur_ms": dur_ms,
        "data": data or {},
    }
    try:
        text = json.dumps(_clean(fields, 0), separators=(",", ":"), allow_nan=False)
    except (TypeError, ValueError) as error:
        raise AssayError(
            "event_invalid", f"An event of kind {kind} cannot be written as JSON: {error}."
        ) from error
    if len(text) > MAX_LINE_BYTES - 1024:
        raise AssayError(
            "event_too_large",
            f"An event of kind {kind} has {len(text)} bytes; the limit is {MAX_LINE_BYTES}.",
            "Store large content as an artifact and record its hash.",
        )
    return text[1:-1]


def encode_line(seq: int, ts: str, body: str, prev: str) -> bytes:
    """A whole line, without its newline."""
    return f'{{"v":{VERSION},"seq":{seq},"ts":"{ts}",{body},"prev":"{prev}"}}'.encode("ascii")


def decode_line(line: bytes) -> Event | None:
    """The event of a line, or None if the line is not a whole event."""
    try:
        return Event(**json.loads(line))
    except (ValueError, TypeError):
        return None


def _clean(value: Any, depth: int) -> Any:
    if value is None or isinstance(value, (bool, float)):
        return value
    if isinstance(value, str):
        return _text(value)
    if isinstance(value, int):
        return value if -(1 << 63) <= value < 1 << 63 else _text(hex(value))
    if depth > _MAX_DEPTH:
        return "(nested too deeply)"
    if isinstance(value, Mapping):
        return {_text(str(key)): _clean(item, depth + 1) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [_clean(item, depth + 1) for item in value]
    raise TypeError(f"{type(value).__name__} has no JSON form")


def _text(value: str) -> str:
    return _UNSAFE.sub("\ufffd", value) if _UNSAFE.search(value) else str(value)
