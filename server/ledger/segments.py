"""Segment files: where the lines lie, live or sealed.

`live/seg-<first seq>.jsonl` is appended to; sealing compresses a finished one to
`sealed/seg-<first seq>.jsonl.zst` (the raw truth, byte for byte) and derives
`cache/seg-<first seq>.parquet` from it, for queries. For a while both exist; the live one goes last.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

PREFIX = "seg-"


@dataclass(frozen=True)
class Segment:
    """One file of lines, with the number of its first line's event in its name."""

    path: Path
    first_seq: int

    @property
    def sealed(self) -> bool:
        return self.path.suffix == ".zst"

    def lines(self) -> Iterator[tuple[bytes, bool]]:
        """Each raw line without its newline, and whether it had one."""
        if self.sealed:
            import zstandard

            with self.path.open("rb") as file:
                reader = zstandard.ZstdDecompressor().stream_reader(file)
                yield from _split(reader.readall())
        else:
            with self.path.open("rb") as file:
                for raw in file:
                    yield (raw[:-1], True) if raw.endswith(b"\n") else (raw, False)


def _split(content: bytes) -> Iterator[tuple[bytes, bool]]:
    *whole, rest = content.split(b"\n")
    for line in whole:
        yield line, True
    if rest:
        yield rest, False


def segments(root: Path) -> list[Segment]:
    """All segments in order; a sealed one hides its live twin."""
    found: dict[int, Segment] = {}
    for path in sorted((root / "live").glob(f"{PREFIX}*.jsonl")):
        first = int(path.name.removeprefix(PREFIX).split(".")[0])
        found[first] = Segment(path, first)
    for path in sorted((root / "sealed").glob(f"{PREFIX}*.jsonl.zst")):
        first = int(path.name.removeprefix(PREFIX).split(".")[0])
        found[first] = Segment(path, first)
    return [found[first] for first in sorted(found)]


def sync_directory(path: Path) -> None:
    """Make a rename or a new name durable."""
    descriptor = os.open(path, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
