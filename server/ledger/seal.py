"""Sealing: a finished segment becomes compressed truth and a derived file for queries.

The order makes any crash harmless: the derived file, then the compressed one, each written aside,
synced and renamed; the live file goes last, after a grace in which readers that had listed it can
still open it. Views prefer what is sealed and skip what it covers.
"""

from __future__ import annotations

import os
import time
from pathlib import Path

from server.ledger.segments import Segment, segments, sync_directory
from server.ledger.views import LINE_COLUMNS, quote

GRACE_S = 60.0


def seal_segment(root: Path, segment: Segment) -> Path:
    """Compress a finished live segment and derive its Parquet file; return the sealed path."""
    import zstandard

    stem = segment.path.name.removesuffix(".jsonl")
    write_parquet(segment.path, root / "cache" / f"{stem}.parquet")
    target = root / "sealed" / f"{stem}.jsonl.zst"
    temporary = target.with_name(f".{target.name}.tmp")
    packed = zstandard.ZstdCompressor(level=10, write_checksum=True).compress(
        segment.path.read_bytes()
    )
    descriptor = os.open(temporary, os.O_CREAT | os.O_WRONLY | os.O_TRUNC, 0o400)
    with os.fdopen(descriptor, "wb") as file:
        file.write(packed)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(target)
    sync_directory(target.parent)
    return target


def remove_sealed_twins(root: Path, grace_s: float = GRACE_S) -> int:
    """Remove live segments that were sealed long enough ago; return how many."""
    removed = 0
    for segment in segments(root):
        if not segment.sealed:
            continue
        live = root / "live" / segment.path.name.removesuffix(".zst")
        if live.exists() and time.time() - segment.path.stat().st_mtime >= grace_s:
            live.unlink()
            removed += 1
    return removed


def write_parquet(source: Path | None, target: Path) -> None:
    """Derive a query file from a segment; from None, an empty one with the right columns."""
    import duckdb

    temporary = target.with_name(f".{target.name}.tmp")
    reader = (
        f"SELECT * FROM read_ndjson({quote(source)}, ignore_errors=true, columns={LINE_COLUMNS}) "
        "WHERE seq IS NOT NULL"
        if source is not None
        else f"SELECT * FROM read_ndjson('/dev/null', columns={LINE_COLUMNS})"
    )
    with duckdb.connect() as connection:
        connection.execute(f"COPY ({reader}) TO {quote(temporary)} (FORMAT parquet, CODEC zstd)")
    temporary.chmod(0o400)
    temporary.replace(target)
    sync_directory(target.parent)
