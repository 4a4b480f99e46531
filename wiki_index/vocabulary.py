"""The field's vocabulary: names of a concept that mean the same, and what it is in plain words.

Text and queries are annotated with a token for every concept that they name, so that `UMMA` finds
`tcgen05.mma` and `2-SM` finds `cta_group::2` without the parts of one name matching everything. A
query that names nothing is compared with the plain descriptions instead.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from wiki_index.tokens import tokens

FILE = Path(__file__).parent / "data" / "vocabulary.toml"
MARK = "§"
"""Starts the token of a concept; no token of a text does."""


@dataclass(frozen=True)
class Concept:
    """One concept: its token, the tokens of its names, and its descriptions."""

    token: str
    names: tuple[tuple[str, ...], ...]
    plain: tuple[str, ...]

    @property
    def terms(self) -> frozenset[str]:
        """The tokens of all names."""
        return frozenset(token for name in self.names for token in name)


class Vocabulary:
    """All concepts. `described` names the concept of each of the `descriptions`."""

    def __init__(self, concepts: Sequence[Concept]) -> None:
        self.concepts = tuple(concepts)
        self.descriptions = tuple(text for concept in concepts for text in concept.plain)
        self.described = tuple(c for c in self.concepts for _ in c.plain)
        self._starting: dict[str, list[tuple[tuple[str, ...], Concept]]] = defaultdict(list)
        for concept in self.concepts:
            for name in concept.names:
                self._starting[name[0]].append((name, concept))

    def named(self, words: Sequence[str]) -> list[str]:
        """The tokens of the concepts that a text names, as often as it does."""
        return [concept.token for concept in self.within(words)]

    def within(self, words: Sequence[str]) -> list[Concept]:
        """The concepts that a text names, as often as it does."""
        return [
            concept
            for place, word in enumerate(words)
            for name, concept in self._starting.get(word, ())
            if tuple(words[place : place + len(name)]) == name
        ]


@lru_cache(maxsize=1)
def vocabulary() -> Vocabulary:
    """The vocabulary that comes with the project."""
    raw = tomllib.loads(FILE.read_text("utf-8"))["concept"]
    return Vocabulary(
        [
            Concept(
                token=MARK + "-".join(item["names"][0].lower().split()),
                names=tuple(dict.fromkeys(tuple(tokens(name)) for name in item["names"])),
                plain=tuple(item["plain"]),
            )
            for item in raw
        ]
    )


@lru_cache(maxsize=1)
def vocabulary_sha256() -> str:
    """Which vocabulary an index was made with."""
    return hashlib.sha256(FILE.read_bytes()).hexdigest()
