"""The rankings that are compared. Each is a function from a query to pages, best first."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from wiki_index.embedding import Embedder
from wiki_index.page import Page
from wiki_index.postings import Postings, PostingsBuilder
from wiki_index.ranking import Ranker, Weights
from wiki_index.snapshot import Snapshot
from wiki_index.store import Store
from wiki_index.tokens import tokens
from wiki_index.vocabulary import vocabulary

Ranking = Callable[[str], list[int]]
MOST = 20
STEPS = {
    "best passages": {"passages": 0.0},
    "names of concepts": {"named": 0.0},
    "descriptions of concepts": {"described": 0.0, "described_terms": 0.0},
    "meaning": {"meaning_first": 0.0, "meaning": 0.0},
    "feedback": {"feedback": 0.0},
    "standing": {"curated": 1.0, "reference": 1.0},
}
"""What is switched off to see what a step is worth."""


class Rankings:
    """Everything that can rank the pages of one snapshot."""

    def __init__(self, snapshot: Snapshot, store: Path, pages: Sequence[Page]) -> None:
        self.snapshot = snapshot
        self._store = store
        self._pages = pages
        self._embedder = Embedder()
        self._vectors: dict[str, np.ndarray] = {}

    def embed(self, query: str) -> np.ndarray:
        """A query's vector; made once, for figures of quality only."""
        if query not in self._vectors:
            self._vectors[query] = self._embedder.one(query)
        return self._vectors[query]

    def shipped(self, **changes: float) -> Ranking:
        """The ranking of the project, with other weights where they are given."""
        ranker = Ranker(self.snapshot, self.embed, replace(Weights(), **changes))
        return lambda query: ranker.rank(query).rows[:MOST].tolist()

    def without_likeliest(self, count: int) -> Ranking:
        """The shipped ranking if the concepts most like each query were not in the vocabulary: what it
        would be for questions that nobody thought of when the descriptions were written."""
        owners = np.array([concept.token for concept in vocabulary().described])
        glosses = self.snapshot.glosses
        shipped = self.shipped()

        def rank(query: str) -> list[int]:
            order = np.argsort(-(glosses @ self.embed(query)))
            gone = list(dict.fromkeys(owners[order]))[:count]
            self.snapshot.glosses = np.where(np.isin(owners, gone)[:, None], 0, glosses)
            try:
                return shipped(query)
            finally:
                self.snapshot.glosses = glosses

        return rank

    def all(self) -> dict[str, Ranking]:
        """The baselines and what is shipped."""
        return {
            "term counting": self._term_counting(),
            "BM25, pages": self._bm25_pages(),
            "BM25, passages": self._bm25_passages(),
            "LanceDB FTS, passages": self._lancedb(),
            "vectors": self._meaning,
            "shipped": self.shipped(),
        }

    def _term_counting(self) -> Ranking:
        """What KernelWiki's query.py is described to do: words split at spaces, a fixed sum for a
        match in title, tags and body; no rarity, no length, ties by path."""
        fields = [
            (
                page.title.lower(),
                " ".join((*page.tags, *page.aliases, *page.symptoms)).lower(),
                page.body.lower(),
            )
            for page in self._pages
        ]

        def rank(query: str) -> list[int]:
            words = query.lower().split()
            scores = [
                sum(10 * (w in title) + 5 * (w in tags) + min(body.count(w), 3) for w in words)
                for title, tags, body in fields
            ]
            order = sorted(
                range(len(scores)), key=lambda row: (-scores[row], self._pages[row].path)
            )
            return order[:MOST]

        return rank

    def _bm25_pages(self) -> Ranking:
        """The textbook, with plain words: k1 1.2, b 0.75."""
        terms: dict[str, int] = {}
        builder = PostingsBuilder(terms)
        for page in self._pages:
            text = " ".join((page.title, *page.tags, *page.aliases, page.body))
            builder.add(re.findall(r"\w+", text.lower()))
        held = builder.build(0.75)
        return lambda query: _best(held, terms, re.findall(r"\w+", query.lower()), None)

    def _bm25_passages(self) -> Ranking:
        """Our tokens, a page as good as its best passage."""
        owner = np.repeat(np.arange(len(self._pages)), np.diff(self.snapshot.first_passage))
        return lambda query: _best(
            self.snapshot.by_passage, self.snapshot.terms, list(dict.fromkeys(tokens(query))), owner
        )

    def _lancedb(self) -> Ranking:
        """The same passages and tokens in LanceDB's full-text index, as it was shipped before."""
        from lancedb.index import FTS
        from lancedb.query import MatchQuery

        table: Any = Store(self._store).passages
        table.create_index(
            "tokens",
            config=FTS(
                base_tokenizer="whitespace",
                stem=False,
                remove_stop_words=False,
                ascii_folding=False,
                max_token_length=None,
            ),
        )

        def rank(query: str) -> list[int]:
            words = " ".join(dict.fromkeys(tokens(query)))
            found = table.search(MatchQuery(words, "tokens"), query_type="fts").limit(60)
            names = dict.fromkeys(
                found.select(["page_id", "_score"]).to_arrow().column("page_id").to_pylist()
            )
            return [self.snapshot.rows[name] for name in names][:MOST]

        return rank

    def _meaning(self, query: str) -> list[int]:
        cosine = np.zeros(self.snapshot.by_passage.size, np.float32)
        cosine[self.snapshot.embedded] = self.snapshot.vectors @ self.embed(query)
        best = np.maximum.reduceat(cosine, self.snapshot.first_passage[:-1])
        order: list[int] = np.argsort(-best, kind="stable")[:MOST].tolist()
        return order


def _best(
    held: Postings, terms: dict[str, int], words: Sequence[str], owner: np.ndarray | None
) -> list[int]:
    query = {terms[word]: 1.0 for word in words if word in terms}
    order = np.argsort(-held.scores(query), kind="stable")[: 10 * MOST]
    rows = order if owner is None else owner[order]
    return list(dict.fromkeys(rows.tolist()))[:MOST]
