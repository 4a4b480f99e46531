"""Ledgers for tests."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from server.ledger.checkpoint import create_key
from server.ledger.verify import Anchor, VerifyReport, verify
from server.ledger.writer import Ledger

ORIGIN = "test/ledger"


@dataclass(frozen=True)
class Book:
    """A ledger's directory with its key."""

    root: Path
    key: Path
    vkey: str

    def open(self, **options: Any) -> Ledger:
        return Ledger.open(self.root, ORIGIN, self.key, **options)

    def verify(self, heads: tuple[Anchor, ...] = ()) -> VerifyReport:
        return verify(self.root, self.vkey, heads)

    def live(self) -> list[Path]:
        return sorted((self.root / "live").glob("seg-*"))


def make_book(directory: Path) -> Book:
    key = directory / "keys" / "ledger.ed25519"
    return Book(directory / "ledger", key, create_key(key, ORIGIN))


@pytest.fixture
def book(tmp_path: Path) -> Book:
    return make_book(tmp_path)


@pytest.fixture
def filled(book: Book) -> Book:
    """Twelve events in two segments, closed."""
    for half in range(2):
        with book.open(segment_bytes=1 << 20) as ledger:
            for number in range(4):
                ledger.append("call", actor="ann", tool="t", ok=True, data={"n": number, "h": half})
    return book


Edit = Callable[[list[bytes]], list[bytes]]


def rewrite(path: Path, edit: Edit) -> None:
    """Change a segment's lines behind the server's back."""
    lines = path.read_bytes().split(b"\n")[:-1]
    path.write_bytes(b"".join(line + b"\n" for line in edit(lines)))
