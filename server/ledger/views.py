"""The tables that people and agents see: SQL over Parquet (sealed) and JSON lines (live).

`audit.sql` holds the same definitions with absolute paths, for any DuckDB shell from 1.2 on. The
views only read; they say nothing about integrity, which is the verifier's business.
"""

# ruff: noqa: S608 - the SQL is ours; the only values put into it are quoted paths

from __future__ import annotations

import base64
import zlib
from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType

from server.ledger.events import MAX_LINE_BYTES
from server.ledger.layout import Layout, write_file

COLUMNS: Mapping[str, str] = MappingProxyType(
    {
        "v": "INTEGER",
        "seq": "BIGINT",
        "ts": "TIMESTAMP",
        "kind": "VARCHAR",
        "request": "VARCHAR",
        "session": "VARCHAR",
        "actor": "VARCHAR",
        "role": "VARCHAR",
        "tool": "VARCHAR",
        "ok": "BOOLEAN",
        "dur_ms": "DOUBLE",
        "data": "JSON",
        "prev": "VARCHAR",
    }
)

_NAMES = ", ".join(COLUMNS)


def _text(*paths: str) -> str:
    return ", ".join(f"data->>'$.{path}' AS {path.replace('.', '_')}" for path in paths)


def _typed(**types: str) -> str:
    return ", ".join(f"(data->>'$.{path}')::{kind} AS {path}" for path, kind in types.items())


VIEWS: Mapping[str, tuple[tuple[str, ...], str]] = MappingProxyType(
    {
        "calls": (
            ("call",),
            "SELECT seq, ts, request, session, actor, role, tool, ok, dur_ms, "
            f"{_text('method', 'outcome', 'code', 'message', 'args_sha256')}, data->'$.args' AS "
            f"args, {_text('client', 'protocol', 'peer')} FROM events WHERE kind = 'call'",
        ),
        "denials": (
            ("call", "http.rejected"),
            "SELECT seq, ts, kind, request, session, actor, role, tool, "
            "coalesce(data->>'$.code', data->>'$.status') AS code, "
            "coalesce(data->>'$.message', data->>'$.reason') AS reason, "
            "data->>'$.method' AS method, data->>'$.path' AS path, data->>'$.peer' AS peer "
            "FROM events WHERE kind = 'http.rejected' "
            "OR (kind = 'call' AND (data->>'$.outcome') = 'denied')",
        ),
        "runs": (
            ("run.finished",),
            "SELECT seq, ts, request, actor, role, "
            f"{_text('run_id', 'solution_id', 'problem', 'problem_sha256', 'campaign')}, "
            f"{_text('workload_set', 'device')}, {_typed(passed='BOOLEAN')}, "
            f"{_text('official', 'assay')}, {_typed(faster='BOOLEAN', speedup_geomean='DOUBLE')}, "
            f"{_typed(speedup_mean='DOUBLE', speedup_min='DOUBLE')}, "
            f"{_text('integrity', 'sandbox_level', 'artifact_id')}, "
            "json_array_length(data, '$.workloads')::BIGINT AS workload_count, "
            "data->'$.workloads' AS workloads FROM events WHERE kind = 'run.finished'",
        ),
        "candidates": (
            ("candidate.recorded",),
            "SELECT seq, ts, request, actor, role, "
            f"{_text('candidate_id', 'campaign', 'problem', 'solution_id')}, "
            "data->'$.parents' AS parents, "
            f"{_text('direction', 'hypothesis', 'decision', 'rationale')}, "
            "data->'$.run_ids' AS run_ids, data->'$.profile_ids' AS profile_ids, "
            "(data->>'$.verified.speedup_geomean')::DOUBLE AS speedup_geomean, "
            "(data->>'$.verified.speedup_min')::DOUBLE AS speedup_min, "
            "data->'$.verified' AS verified, data->'$.missing' AS missing "
            "FROM events WHERE kind = 'candidate.recorded'",
        ),
        "reviews": (
            ("candidate.reviewed",),
            "SELECT seq, ts, request, actor, role, "
            f"{_text('review_id', 'candidate_id', 'campaign', 'verdict', 'rationale')}, "
            "data->'$.run_ids' AS run_ids, data->>'$.evidence_sha256' AS evidence_sha256 "
            "FROM events WHERE kind = 'candidate.reviewed'",
        ),
        "files": (
            ("solution.stored",),
            "SELECT seq, ts, request, actor, role, solution_id, definition, language, name, path, "
            "dense_rank() OVER (PARTITION BY actor, definition, path ORDER BY first_seq) AS "
            "version, sha256, size_bytes FROM (SELECT *, min(seq) OVER (PARTITION BY actor, "
            "definition, path, sha256) AS first_seq FROM (SELECT seq, ts, request, actor, role, "
            f"{_text('solution_id', 'definition', 'language', 'name')}, f->>'$.path' AS path, "
            "f->>'$.sha256' AS sha256, (f->>'$.size_bytes')::BIGINT AS size_bytes FROM (SELECT *, "
            "unnest(from_json(data->'$.files', '[\"JSON\"]')) AS f FROM events "
            "WHERE kind = 'solution.stored')))",
        ),
        "profiles": (
            ("profile.read",),
            f"SELECT seq, ts, request, actor, role, {_text('profile_id', 'artifact_id')}, "
            f"{_typed(kernels='BIGINT')}, {_text('headline')} "
            "FROM events WHERE kind = 'profile.read'",
        ),
        "campaigns": (
            ("campaign.created",),
            f"SELECT seq, ts, actor, role, {_text('campaign', 'problem', 'problem_sha256')}, "
            f"{_typed(target_speedup='DOUBLE')} FROM events WHERE kind = 'campaign.created'",
        ),
    }
)
"""View name to the kinds of events it needs and its definition over `events`."""


def events_sql(root: Path) -> str:
    """All events of a ledger, sealed and live, each once.

    A torn line comes back as a row of NULLs; a segment that is sealed but still live is taken from
    its sealed form.
    """
    cache = _quote(root / "cache" / "seg-*.parquet")
    return (
        f"SELECT {_NAMES.replace('data', 'data::JSON AS data')} FROM read_parquet({cache}) "
        f"UNION ALL SELECT {_NAMES} FROM {_json_lines(root / 'live' / 'seg-*.jsonl')} "
        f"WHERE seq IS NOT NULL AND seq > "
        f"(SELECT coalesce(max(seq), -1) FROM read_parquet({cache}))"
    )


def cache_sql(source: Path, target: Path) -> str:
    """Turn one raw segment into its Parquet file."""
    return (
        f"COPY (SELECT {_NAMES} FROM {_json_lines(source)} WHERE seq IS NOT NULL ORDER BY seq) "
        f"TO {_quote(target)} (FORMAT parquet, COMPRESSION zstd)"
    )


def audit_sql(root: Path) -> str:
    """The script for DuckDB shells."""
    parts = [
        "-- Views over the audit ledger; written by the server. It only reads.",
        f'--   duckdb -init "{root / "audit.sql"}"',
        f"CREATE OR REPLACE TEMP VIEW events AS {events_sql(root)};",
    ]
    parts += [f"CREATE OR REPLACE TEMP VIEW {name} AS {sql};" for name, (_, sql) in VIEWS.items()]
    return "\n".join(parts) + "\n"


def write_audit_sql(layout: Layout) -> None:
    """Put the script and the empty Parquet file in place."""
    write_file(layout.empty_cache, zlib.decompress(base64.b64decode(_EMPTY_PARQUET)), 0o400)
    write_file(layout.audit_sql, audit_sql(layout.root).encode(), 0o600)


def _json_lines(pattern: Path) -> str:
    columns = ", ".join(f"{name}: '{kind}'" for name, kind in COLUMNS.items())
    return (
        f"read_json({_quote(pattern)}, format = 'newline_delimited', ignore_errors = true, "
        f"maximum_object_size = {MAX_LINE_BYTES * 2}, columns = {{{columns}}})"
    )


def _quote(path: Path) -> str:
    return "'" + str(path).replace("'", "''") + "'"


# An empty Parquet file with the columns above, compressed: a constant, so that the verifier can
# tell it from one with made-up rows.
_EMPTY_PARQUET = (
    "eNoLcAwyFGWSfGPKIMGbUpqcnZIUX5yckZqbKCrFIMqkyiTBWKaqxCDKAmQxF6cWqqpA2EwlxaoiPj1CMjoMICDK"
    "AxRjyc7MS1GFctiLUgtLU4tL4Pzi1OLizPw8GJ81MbkkvwjGYynKz0mFc0ry83NAHAaQRfnZDKJcQAZbSmlRfG4x"
    "VElKYkmiqprPGbjdBUWpZUA9YgySPBoaLkCPuDgplKUWgaxUKDPSM9AzUNBIKs3MSVFIMTVJTkpKNU5J05S8I8PA"
    "QAxiUGZkYAgABhUAo/Y4tA=="
)
