"""Questions in SQL from people we do not trust: one SELECT, in a process of its own.

The process gets a copy of the events in memory, no environment, no files, no extensions, and limits
on time, memory and the size of the answer. Killing it is always safe.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from server.ledger import duck_worker
from server.ledger.views import VIEWS, events_sql

MAX_RESULT_BYTES = 4 << 20

_HINTS = {
    "sql_not_select": "Send one SELECT (or WITH … SELECT) over events, " + ", ".join(VIEWS) + ".",
    "sql_error": "See the columns with: SELECT * FROM calls LIMIT 1.",
    "sql_timeout": "Aggregate less at once, or filter by seq or ts.",
    "sql_too_large": "Select fewer columns or rows, or aggregate.",
}

# The events of some campaigns: those that name one, and those about the solutions, artifacts,
# profiles, problems and runs that they refer to.
_CAMPAIGN_SQL = """
WITH own AS (
  SELECT * FROM every_event WHERE data->>'$.campaign' IN (SELECT unnest($campaigns))
), solutions AS (
  SELECT data->>'$.solution_id' AS id FROM own WHERE data->>'$.solution_id' IS NOT NULL
), profile_ids AS (
  SELECT unnest(from_json(data->'$.profile_ids', '["VARCHAR"]')) AS id FROM own
  WHERE kind = 'candidate.recorded'
), profiles AS (
  SELECT * FROM every_event
  WHERE kind = 'profile.read' AND data->>'$.profile_id' IN (SELECT id FROM profile_ids)
), artifacts AS (
  SELECT data->>'$.artifact_id' AS id FROM own UNION SELECT data->>'$.artifact_id' FROM profiles
)
SELECT * FROM own
UNION ALL SELECT * FROM profiles
UNION ALL SELECT * FROM every_event WHERE data->>'$.campaign' IS NULL AND (
  (kind IN ('solution.stored', 'compile.finished')
    AND data->>'$.solution_id' IN (SELECT id FROM solutions))
  OR (kind = 'artifact.added'
    AND data->>'$.artifact_id' IN (SELECT id FROM artifacts WHERE id IS NOT NULL))
  OR (kind = 'problem.registered' AND data->>'$.problem' IN (SELECT data->>'$.problem' FROM own)))
"""


@dataclass(frozen=True)
class QueryResult:
    """A table. Every cell is a JSON value."""

    columns: tuple[str, ...]
    rows: tuple[tuple[Any, ...], ...]
    truncated: bool
    elapsed_ms: float


def run_query(
    root: Path,
    sql: str,
    *,
    actor_campaigns: Collection[str] | None = None,
    max_rows: int = 200,
    timeout_s: float = 10.0,
    memory_mb: int = 512,
) -> QueryResult:
    """Run untrusted SQL over a ledger, also while a server writes to it.

    Args:
        root: the ledger's directory.
        sql: one SELECT in DuckDB's dialect.
        actor_campaigns: if given, only events of these campaigns exist for the query.
        max_rows: more rows are cut off, and `truncated` says so.

    Raises:
        AssayError: `sql_not_select`, `sql_error`, `sql_timeout` or `sql_too_large`.
    """
    began = time.monotonic()
    request = {
        "mode": "query",
        "sql": sql,
        "events_sql": events_sql(root.resolve()),
        "views": dict(VIEWS),
        "campaigns": None if actor_campaigns is None else sorted(actor_campaigns),
        "campaign_sql": _CAMPAIGN_SQL,
        "max_rows": max_rows,
        "max_bytes": MAX_RESULT_BYTES,
        "timeout_s": timeout_s,
        "memory_mb": memory_mb,
    }
    answer = _ask(json.dumps(request).encode(), timeout_s)
    if "code" in answer:
        raise _error(answer["code"], answer["message"])
    return QueryResult(
        columns=tuple(answer["columns"]),
        rows=tuple(tuple(row) for row in answer["rows"]),
        truncated=answer["truncated"],
        elapsed_ms=(time.monotonic() - began) * 1000,
    )


def _ask(request: bytes, timeout_s: float) -> dict[str, Any]:
    try:
        done = subprocess.run(
            [sys.executable, "-I", duck_worker.__file__],
            input=request,
            capture_output=True,
            env={"LC_ALL": "C.UTF-8"},
            cwd="/",
            timeout=timeout_s,
            start_new_session=True,
            check=False,
        )
    except subprocess.TimeoutExpired:
        raise _error("sql_timeout", f"The query took longer than {timeout_s:g} s.") from None
    if done.returncode < 0:
        raise _error("sql_too_large", "The query was stopped: it used too much memory or time.")
    try:
        answer: dict[str, Any] = json.loads(done.stdout)
    except ValueError:
        raise _error("sql_error", "The query process failed before it could answer.") from None
    return answer


def _error(code: str, message: str) -> AssayError:
    return AssayError(code, message[:2000], _HINTS.get(code, ""))
