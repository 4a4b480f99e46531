"""Redaction: what of a caller's words may stand in an event.

Events are kept for good and read by auditors, so they hold a bounded preview of the arguments and
never a token. Everything here accepts hostile input: any depth, any size, any character.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from hashlib import sha256
from math import isfinite
from typing import Any

from server.principals import TOKEN_PREFIX

MAX_STRING_CHARS = 256
MAX_ITEMS = 20
MAX_DEPTH = 6
MAX_PREVIEW_BYTES = 4096

_TOKEN = re.compile(re.escape(TOKEN_PREFIX) + r"[A-Za-z0-9_\-]{8,}")
_CREDENTIAL = re.compile(r"(?i)\b(bearer)\s+[A-Za-z0-9._~+/=\-]{16,}")


def redact(text: str, limit: int = 500) -> str:
    """A text without tokens, cut to `limit` characters."""
    head = text[: limit + 100]
    clean = _CREDENTIAL.sub(r"\1 [redacted]", _TOKEN.sub(TOKEN_PREFIX + "[redacted]", head))
    return clean if len(clean) <= limit else clean[: limit - 1] + "…"


def canonical_sha256(value: object) -> str:
    """SHA-256 of the canonical JSON of a value: sorted keys, no spaces, ASCII."""
    try:
        text = json.dumps(value, sort_keys=True, separators=(",", ":"))
    except (TypeError, ValueError, RecursionError):
        return ""
    return sha256(text.encode("ascii")).hexdigest()


def preview(arguments: object) -> Any:
    """Arguments as an event keeps them: small values as they are, long ones by hash and size."""
    shown = _preview(arguments, 0)
    size = len(json.dumps(shown))
    return shown if size <= MAX_PREVIEW_BYTES else {"omitted_bytes": size}


def _preview(value: object, depth: int) -> Any:
    if value is None or isinstance(value, (bool, int)):
        return value
    if isinstance(value, float):
        return value if isfinite(value) else str(value)
    if isinstance(value, str):
        return _string(value)
    if depth >= MAX_DEPTH:
        return "(deeper)"
    if isinstance(value, Mapping):
        items = list(value.items())
        shown = {redact(str(k), 80): _preview(v, depth + 1) for k, v in items[:MAX_ITEMS]}
        return shown | ({"…": len(items) - MAX_ITEMS} if len(items) > MAX_ITEMS else {})
    if isinstance(value, Sequence):
        rest = [f"… {len(value) - MAX_ITEMS} more"] if len(value) > MAX_ITEMS else []
        return [_preview(item, depth + 1) for item in value[:MAX_ITEMS]] + rest
    return f"({type(value).__name__})"


def _string(text: str) -> Any:
    if len(text) <= MAX_STRING_CHARS:
        return redact(text, MAX_STRING_CHARS + 100)
    raw = text.encode("utf-8", "surrogatepass")
    return {"sha256": sha256(raw).hexdigest(), "bytes": len(raw)}
