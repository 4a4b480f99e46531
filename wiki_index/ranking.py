"""Ranking: from a query to pages with a score.

Five steps, each measured by leaving it out (`benchmarks/search.py`, figures in docs/wiki.md):

1. words: BM25 of whole pages and of passages, identifiers whole and in parts;
2. concepts: what the query names, or, by the meaning of its words, what it describes;
3. meaning: the cosine of the query and the nearest passage of a page;
4. feedback: terms that the best five pages are about join the query, with a small weight;
5. standing: pages written as knowledge go a little before changes, and those before code.

Scores are added, never ranks: how far the best page is ahead matters. Pages that the mask excludes
take no part in any step.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from wiki_index.snapshot import Snapshot
from wiki_index.tokens import tokens
from wiki_index.vocabulary import Concept, vocabulary

Embed = Callable[[str], np.ndarray]


JUDGED = 5
ALL_WORDS, MANY_WORDS = 0.75, 0.4
SOME_MEANING, MUCH_MEANING = 0.3, 0.4
CLEAR_CONCEPT, SOME_CONCEPT = 0.45, 0.36
"""When the best pages are an answer: by the share of the query's words, rare ones counting more, by
the cosine, and by the likeness of a concept's description. Measured against queries on other matters."""


@dataclass(frozen=True)
class Weights:
    """What each step counts. The defaults were chosen in the middle of what works equally well."""

    passages: float = 0.5
    named: float = 1.0
    described: float = 1.0
    described_terms: float = 0.6
    described_from: float = 0.35
    described_known: float = 0.5
    described_most: int = 3
    meaning_first: float = 0.5
    meaning: float = 0.4
    feedback: float = 0.3
    feedback_pages: int = 5
    feedback_terms: int = 20
    curated: float = 1.2
    reference: float = 1.1
    code: float = 0.8


@dataclass(frozen=True)
class Ranked:
    """Pages in order, best first, with what says how good each is."""

    rows: np.ndarray
    scores: np.ndarray
    passages: np.ndarray
    coverage: np.ndarray
    cosine: np.ndarray
    described: float

    @property
    def answers(self) -> bool:
        """Whether the best pages are about what was asked, or only the least unlike it."""
        best = slice(0, JUDGED)
        words, meaning = self.coverage[best], self.cosine[best]
        return len(words) > 0 and bool(
            words.max() >= ALL_WORDS
            or (words.max() >= MANY_WORDS and meaning.max() >= SOME_MEANING)
            or meaning.max() >= MUCH_MEANING
            or self.described >= CLEAR_CONCEPT
        )

    @property
    def may_answer(self) -> bool:
        """Whether the query is at least somewhat like what is known."""
        return self.answers or self.described >= SOME_CONCEPT


class Ranker:
    """Ranks the pages of one snapshot."""

    def __init__(self, snapshot: Snapshot, embed: Embed, weights: Weights | None = None) -> None:
        self._snapshot = snapshot
        self._embed = embed
        self._weights = weights or Weights()
        w = self._weights
        factor = {"curated": w.curated, "reference": w.reference, "code": w.code}
        standings = snapshot.column("standing")
        self._standing = np.array([factor.get(s, 1.0) for s in standings], np.float32)

    def rank(self, query: str, fitting: np.ndarray | None = None, most: int = 60) -> Ranked:
        """The best pages for a query. `fitting` marks the pages that may be shown."""
        snapshot, w = self._snapshot, self._weights
        words = list(dict.fromkeys(tokens(query)))
        cosine, page_cosine, direction = self._meaning(query)
        mask = np.ones(len(snapshot.page_ids), bool) if fitting is None else fitting
        literal = {t: 1.0 for word in words if (t := snapshot.terms.get(word)) is not None}
        coverage = self._coverage(query)
        unknown = 1.0 - w.described_known * float(coverage.max(initial=0.0))
        wanted = self._with_concepts(literal, query, direction, unknown)
        near = _spread(page_cosine, mask)
        first = (self._words(wanted, mask)[0] + w.meaning_first * near) * self._standing * mask
        for term, weight in self._feedback(first).items():
            wanted[term] = wanted.get(term, 0.0) + w.feedback * weight
        by_words, passage_scores = self._words(wanted, mask)
        scores = (by_words + w.meaning * near) * self._standing * mask
        rows = np.argsort(-scores, kind="stable")[:most]
        rows = rows[scores[rows] > 0]
        combined = passage_scores + w.meaning * cosine
        best = np.array([self._best(combined, row) for row in rows], np.int64)
        return Ranked(
            rows,
            scores[rows],
            best,
            coverage[rows],
            page_cosine[rows],
            float((snapshot.glosses @ direction).max()),
        )

    def _meaning(self, query: str) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Cosines of all passages, the best of each page, and the query's vector."""
        snapshot = self._snapshot
        direction = self._embed(query)
        cosine = np.zeros(snapshot.by_passage.size, np.float32)
        if not len(cosine):
            return cosine, np.zeros(0, np.float32), direction
        cosine[snapshot.embedded] = snapshot.vectors @ direction
        return cosine, np.maximum.reduceat(cosine, snapshot.first_passage[:-1]), direction

    def _words(self, query: dict[int, float], mask: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Pages by their words as a whole and by their best passage, and the passages."""
        snapshot, w = self._snapshot, self._weights
        pages = snapshot.by_page.scores(query)
        passages = _share(snapshot.by_passage.scores(query))
        best = pages
        if len(passages):
            best = np.maximum.reduceat(passages, snapshot.first_passage[:-1])
        mixed = (1 - w.passages) * _share(pages * mask) + w.passages * _share(best * mask)
        return _share(mixed), passages

    def _with_concepts(
        self, literal: dict[int, float], query: str, direction: np.ndarray, unknown: float
    ) -> dict[int, float]:
        """The query's terms, and those of the concepts that it names or describes; the latter count as
        far as the query's own words are unknown."""
        snapshot, w = self._snapshot, self._weights
        wanted = dict(literal)

        def want(word: str, weight: float) -> None:
            term = snapshot.terms.get(word)
            if term is not None:
                wanted[term] = max(wanted.get(term, 0.0), weight)

        for token in vocabulary().named(tokens(query)):
            want(token, w.named)
        likeness = snapshot.glosses @ direction
        described: dict[str, Concept] = {}
        for place in np.argsort(-likeness, kind="stable").tolist():
            concept, likely = vocabulary().described[place], float(likeness[place])
            if likely < w.described_from or len(described) == w.described_most:
                break
            if concept.token not in described:
                described[concept.token] = concept
                want(concept.token, w.described * likely * unknown)
                for word in concept.terms:
                    want(word, w.described_terms * likely * unknown)
        return wanted

    def _feedback(self, scores: np.ndarray) -> dict[int, float]:
        """What the best pages are about; the strongest term has weight 1."""
        w = self._weights
        best = np.argsort(-scores, kind="stable")[: w.feedback_pages]
        total = float(scores[best].sum())
        if not w.feedback or total <= 0:
            return {}
        about = self._snapshot.about
        found: Counter[int] = Counter()
        for row in best:
            here = slice(about.start[row], about.start[row + 1])
            share = float(scores[row]) / total
            if share <= 0:
                break
            for term, weight in zip(
                about.rows[here].tolist(), about.weights[here].tolist(), strict=True
            ):
                found[term] += share * weight
        top = found.most_common(w.feedback_terms)
        return {term: weight / top[0][1] for term, weight in top if weight > 0}

    def _best(self, combined: np.ndarray, row: int) -> int:
        start, end = self._snapshot.first_passage[row : row + 2]
        return int(start + np.argmax(combined[start:end]))

    def _coverage(self, query: str) -> np.ndarray:
        """How much of the query a page holds; a rare word counts more than a common one. A word of a
        concept's name is held by every page that names the concept in some way."""
        by_page, terms = self._snapshot.by_page, self._snapshot.terms
        words = tokens(query)
        ways: dict[str, list[str]] = {word: [word] for word in words}
        for concept in vocabulary().within(words):
            for name in concept.names:
                for word in name:
                    if word in ways:
                        ways[word].append(concept.token)
        total, held = 0.0, np.zeros(by_page.size, np.float32)
        for found in ways.values():
            here = np.zeros(by_page.size, bool)
            for word in found:
                if (term := terms.get(word)) is not None:
                    here[by_page.rows[by_page.start[term] : by_page.start[term + 1]]] = True
            count = int(here.sum())
            rarity = float(np.log1p((by_page.size - count + 0.5) / (count + 0.5)))
            total += rarity
            held[here] += rarity
        return held / np.float32(max(total, 1e-9))


def _share(scores: np.ndarray) -> np.ndarray:
    """Of the best one."""
    top = float(scores.max()) if len(scores) else 0.0
    return scores / top if top > 0 else scores


def _spread(scores: np.ndarray, mask: np.ndarray) -> np.ndarray:
    """Between the least and the best of those that take part."""
    held = scores[mask & (scores > 0)]
    if not len(held):
        return np.zeros_like(scores)
    low, high = float(held.min()), float(held.max())
    return np.clip((scores - low) / max(high - low, 1e-6), 0.0, 1.0)
