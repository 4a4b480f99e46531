"""Where the ledger's files are, and how to read its raw lines in order.

    live/seg-<first line>.jsonl         being written, or waiting to be sealed
    sealed/seg-<first line>.jsonl.zst   the raw truth, compressed
    cache/seg-<first line>.parquet      derived from it, for queries
    checkpoints.jsonl  audit.sql  LOCK

A segment is named after the number of its first line, counted from 0 over the whole ledger. While
a segment is both live and sealed, both hold the same bytes. Nothing here writes an event.
"""

from __future__ import annotations

import io
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO

_SEGMENT = re.compile(r"seg-(\d{12})\.jsonl(\.zst)?")


@dataclass(frozen=True)
class Layout:
    """Paths of one ledger."""

    root: Path

    @property
    def live(self) -> Path:
        return self.root / "live"

    @property
    def sealed(self) -> Path:
        return self.root / "sealed"

    @property
    def cache(self) -> Path:
        return self.root / "cache"

    @property
    def checkpoints(self) -> Path:
        return self.root / "checkpoints.jsonl"

    @property
    def audit_sql(self) -> Path:
        return self.root / "audit.sql"

    @property
    def lock(self) -> Path:
        return self.root / "LOCK"

    @property
    def empty_cache(self) -> Path:
        """A Parquet file without rows, so that the pattern of the views always matches a file."""
        return self.cache / "seg-empty.parquet"

    def create(self) -> None:
        for directory in (self.root, self.live, self.sealed, self.cache):
            directory.mkdir(parents=True, exist_ok=True, mode=0o700)
            directory.chmod(0o700)

    def live_segment(self, first_line: int) -> Path:
        return self.live / f"seg-{first_line:012d}.jsonl"

    def sealed_segment(self, first_line: int) -> Path:
        return self.sealed / f"seg-{first_line:012d}.jsonl.zst"

    def cache_segment(self, first_line: int) -> Path:
        return self.cache / f"seg-{first_line:012d}.parquet"

    def live_starts(self) -> list[int]:
        return _starts(self.live)

    def sealed_starts(self) -> list[int]:
        return _starts(self.sealed)

    def starts(self) -> list[int]:
        """First lines of all segments, in order."""
        return sorted({*self.live_starts(), *self.sealed_starts()})

    def lines(self, first_line: int) -> Iterator[bytes]:
        """Raw lines of a segment with their newlines; the last may lack it."""
        with self.open_segment(first_line) as file:
            yield from file

    def open_segment(self, first_line: int) -> IO[bytes]:
        """A segment's bytes, from wherever they are now: it may be sealed at any moment."""
        try:
            return self.live_segment(first_line).open("rb")
        except FileNotFoundError:
            import zstandard

            return io.BufferedReader(zstandard.open(self.sealed_segment(first_line), "rb"), 1 << 20)


def _starts(directory: Path) -> list[int]:
    matches = (_SEGMENT.fullmatch(path.name) for path in directory.iterdir())
    return sorted(int(match[1]) for match in matches if match)


def write_file(path: Path, content: bytes, mode: int) -> None:
    """Replace a file durably: all of it or nothing."""
    temporary = path.with_name(f".{path.name}.tmp")
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as file:
        file.write(content)
        file.flush()
        os.fchmod(file.fileno(), mode)
        os.fsync(file.fileno())
    temporary.replace(path)
    sync_directory(path.parent)


def write_all(descriptor: int, content: bytes) -> None:
    """Write all of it, however often the system takes only a part."""
    view = memoryview(content)
    while view:
        view = view[os.write(descriptor, view) :]


def sync_directory(path: Path) -> None:
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
