"""The table of classes of attacks names what exists, and everything that exists."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

TESTS = Path(__file__).resolve().parents[1]
TEXT = (TESTS.parent / "docs" / "attack-classes.md").read_text("utf-8")
FOLDERS = ("attacks", "gpu_attacks")

ROWS = [
    [cell.strip() for cell in line.strip("|").split("|")]
    for line in TEXT.splitlines()
    if re.match(r"\| [A-Z]\d+ \|", line)
]
"""Of each class: its id, what it is, what covers it, and how that ends."""


def named(text: str) -> list[str]:
    """The files and test functions that are named in a text."""
    return re.findall(r"`((?:attacks|gpu_attacks)/\w+|[\w/]+\.py::\w+)`", text)


def exists(name: str) -> bool:
    """Whether there is an attack file or a test function of this name."""
    path, _, function = name.partition("::")
    if not function:
        return (TESTS / "adversarial" / f"{path}.py").is_file()
    file = TESTS / path
    return file.is_file() and f"\ndef {function}(" in file.read_text("utf-8")


def test_what_is_named_exists() -> None:
    missing = [name for name in named(TEXT) if not exists(name)]
    assert not missing


def test_every_attack_file_is_named() -> None:
    files = {
        f"{folder}/{path.stem}"
        for folder in FOLDERS
        for path in (TESTS / "adversarial" / folder).glob("*.py")
        if path.stem != "__init__"
    }
    assert not files - set(named(TEXT))


def test_every_class_is_covered_or_says_why_not() -> None:
    for identity, words, cover, outcome in ROWS:
        assert words and outcome, identity
        rest = re.sub(r"`[^`]*`|[, ]", "", cover)
        if named(cover):
            assert not rest, identity  # nothing that only looks like a name
        else:
            assert cover in ("cannot reach us", "open"), identity
    assert len({row[0] for row in ROWS}) == len(ROWS)


def test_the_numbers_at_the_top_are_those_of_the_table() -> None:
    kinds = Counter("covered" if named(cover) else cover for _, _, cover, _ in ROWS)
    files = sum(any("::" not in name for name in named(cover)) for _, _, cover, _ in ROWS)
    assert kinds["covered"] >= 70
    top = " ".join(TEXT.partition("\n## ")[0].split())
    for words in (
        f"{len(ROWS)} classes",
        f"{kinds['covered']} have a test here, {files} of them an attack file",
        f"{kinds['cannot reach us']} cannot reach us",
        f"{kinds['open']} are open",
    ):
        assert words in top, words
