"""The deny-list: which pages are withheld, and how their names are kept out of other pages' texts.

Applied when pages are read, and again for every question: an operator may deny a source that is
already indexed.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from fnmatch import fnmatchcase

ALWAYS = ("*mlsys2026-flashinfer-contest-solution*", "*mafia-mlsys2026-submissions*")
"""Published answers of the contest whose problems are shipped: an agent must find its own."""

_NAME = re.compile(r"[^\s<>\"'()\[\]{}`|,;]+")


def matches(names: Iterable[str], patterns: Sequence[str]) -> bool:
    """Whether one of the names is denied; case does not matter."""
    lowered = [name.lower() for name in names if name]
    return any(
        fnmatchcase(name, pattern)
        for pattern in map(str.lower, (*patterns, *ALWAYS))
        for name in lowered
    )


def masker(withheld: Iterable[str], patterns: Sequence[str]) -> Callable[[str], str]:
    """A function that replaces the ids of withheld pages, and addresses that match the deny-list."""
    ids = sorted(withheld, key=len, reverse=True)
    named = (
        re.compile(rf"(?<![\w-])(?:{'|'.join(re.escape(name) for name in ids)})(?![\w-])")
        if ids
        else None
    )

    def mask(text: str) -> str:
        if named is not None:
            text = named.sub("[withheld]", text)
        return _NAME.sub(_address, text)

    def _address(found: re.Match[str]) -> str:
        word = found[0]
        return "[withheld]" if "/" in word and matches((word,), patterns) else word

    return mask
