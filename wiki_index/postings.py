"""Postings: which page or passage holds which token, with the BM25 weight that it has there.

Why not LanceDB's own full-text index: its k1 and b are fixed, terms of a query cannot be weighted,
and a page cannot be scored apart from its passages. All three decide the ranking (docs/wiki.md).
Files are plain arrays, mapped into memory; a query touches only the terms that it holds.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

import numpy as np

K1 = 1.2


@dataclass(frozen=True)
class Postings:
    """A compressed matrix of terms by documents."""

    start: np.ndarray
    rows: np.ndarray
    weights: np.ndarray
    size: int

    def scores(self, query: Mapping[int, float]) -> np.ndarray:
        """The score of every document for weighted terms."""
        out = np.zeros(self.size, np.float32)
        for term, weight in query.items():
            if term + 1 < len(self.start):
                here = slice(self.start[term], self.start[term + 1])
                out[self.rows[here]] += np.float32(weight) * self.weights[here]
        return out

    def save(self, place: Path, name: str) -> None:
        """Write the arrays below a directory."""
        for part in ("start", "rows", "weights"):
            np.save(place / f"{name}.{part}.npy", getattr(self, part))

    @classmethod
    def load(cls, place: Path, name: str, size: int) -> Postings:
        """Map the arrays."""
        start, rows, weights = (
            mapped(place / f"{name}.{part}.npy") for part in ("start", "rows", "weights")
        )
        return cls(start, rows, weights, size)

    def transposed(self, keep: np.ndarray) -> Postings:
        """Documents by terms, with the terms that `keep` marks: what a document is about."""
        terms = np.repeat(np.arange(len(self.start) - 1, dtype=np.uint32), np.diff(self.start))
        chosen = keep[terms]
        rows, terms, weights = self.rows[chosen], terms[chosen], self.weights[chosen]
        order = np.argsort(rows, kind="stable")
        start = np.searchsorted(rows[order], np.arange(self.size + 1))
        return Postings(start, terms[order], weights[order], len(self.start) - 1)


def mapped(path: Path) -> np.ndarray:
    """An array of a file, in memory only where it is touched. An empty one cannot be mapped."""
    held = np.load(path, mmap_mode="r" if path.stat().st_size > 4096 else None)
    return np.asarray(held)


class PostingsBuilder:
    """Collects documents; several may share one dictionary of terms."""

    def __init__(self, terms: dict[str, int]) -> None:
        self._terms = terms
        self._rows, self._ids = array("I"), array("I")
        self._counts, self._lengths = array("f"), array("f")

    def add(self, words: Iterable[str]) -> None:
        """The next document."""
        counts = Counter(words)
        row = len(self._lengths)
        terms = self._terms
        self._ids.extend(terms.setdefault(word, len(terms)) for word in counts)
        self._counts.extend(counts.values())
        self._rows.extend([row] * len(counts))
        self._lengths.append(counts.total())

    def build(self, b: float) -> Postings:
        """BM25 weights, with a length normalisation of `b`."""
        ids = np.array(self._ids, np.uint32)
        order = np.argsort(ids, kind="stable")
        rows = np.array(self._rows, np.uint32)[order]
        counts = np.array(self._counts, np.float32)[order]
        lengths = np.array(self._lengths, np.float32)
        start = np.searchsorted(ids[order], np.arange(len(self._terms) + 1))
        size = len(lengths)
        held = np.diff(start)
        rarity = np.log1p((size - held + 0.5) / (held + 0.5)).astype(np.float32)
        mean = float(lengths.mean()) if size else 1.0
        norm = K1 * (1 - b + b * lengths[rows] / max(mean, 1.0))
        weights = np.repeat(rarity, held) * counts * (K1 + 1) / (counts + norm)
        return Postings(start, rows, weights.astype(np.float32), size)
