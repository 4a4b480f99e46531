"""A snapshot: everything that a search reads, in files that never change once they are written.

A build writes a new directory `v<number>` and then switches a pointer file to it, so readers never
wait and never see half of one; an older snapshot can be pointed at again. The files are mapped into
memory, and LanceDB is not imported for reading: its import alone takes longer than a first search may.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from wiki_index.embedding import WIDTH
from wiki_index.page import Page
from wiki_index.postings import Postings, PostingsBuilder, mapped
from wiki_index.store import Store
from wiki_index.vocabulary import vocabulary

PAGE_B, PASSAGE_B = 0.4, 0.3
"""How much length counts against a page and a passage in BM25; see docs/wiki.md."""

FEEDBACK_SHARE = 0.1
"""A term that more of the pages hold says nothing about what a page is about."""


class Snapshot:
    """One snapshot, open for reading. Attributes are arrays, a row for each page or passage."""

    def __init__(self, place: Path) -> None:
        import pyarrow as pa

        self.name = place.name
        self.info: dict[str, Any] = json.loads((place / "info.json").read_text("utf-8"))
        self._pages, self._passages = (
            pa.ipc.open_file(pa.memory_map(str(place / f"{name}.arrow"))).read_all()
            for name in ("pages", "passages")
        )
        self.page_ids: list[str] = self._pages.column("page_id").to_pylist()
        self.rows = {page_id: row for row, page_id in enumerate(self.page_ids)}
        words = (place / "terms.txt").read_text("utf-8").split("\n")
        self.terms = {word: number for number, word in enumerate(words)}
        self.words = words
        self.first_passage = mapped(place / "first.npy")
        self.vectors, self.embedded = mapped(place / "vectors.npy"), mapped(place / "embedded.npy")
        self.glosses = mapped(place / "glosses.npy")
        size, passages = len(self.page_ids), len(self._passages)
        self.by_page = Postings.load(place, "page", size)
        self.by_passage = Postings.load(place, "passage", passages)
        self.about = Postings.load(place, "about", len(words))
        self._columns: dict[str, list[Any]] = {}

    def column(self, name: str) -> list[Any]:
        """A column of the pages; made with the first question for it."""
        if name not in self._columns:
            self._columns[name] = self._pages.column(name).to_pylist()
        return self._columns[name]

    def page(self, row: int) -> Page:
        """A page without its text."""
        return Page.model_validate(json.loads(self._pages.column("meta")[row].as_py()))

    def body(self, row: int) -> str:
        """The text of a page."""
        text: str = self._pages.column("body")[row].as_py()
        return text

    def passage(self, row: int) -> tuple[str, str]:
        """Heading and text of a passage."""
        return tuple(self._passages.column(name)[row].as_py() for name in ("heading", "text"))  # type: ignore[return-value]


def write_snapshot(
    place: Path,
    store: Store,
    glosses: np.ndarray,
    info: Mapping[str, Any],
    on_progress: Callable[[str, int, int], None],
) -> dict[str, int]:
    """Make a snapshot of what the store holds. Returns its sizes."""
    import pyarrow as pa

    place.mkdir(parents=True)
    pages, passages = store.read()
    page_ids = pages.column("page_id").to_pylist()
    first = _first_rows(page_ids, passages.column("page_id").to_pylist())
    heads, words = pages.column("head").to_pylist(), passages.column("tokens").to_pylist()
    terms: dict[str, int] = {}
    page_postings, passage_postings = PostingsBuilder(terms), PostingsBuilder(terms)
    for row, head in enumerate(heads):
        if row % 500 == 0:
            on_progress("packing", row, len(heads))
        here = words[first[row] : first[row + 1]]
        page_postings.add(" ".join((head, *here)).split(" "))
        for text in here:
            passage_postings.add(f"{head} {text}".split(" "))
    by_page = page_postings.build(PAGE_B)
    by_page.save(place, "page")
    passage_postings.build(PASSAGE_B).save(place, "passage")
    held = np.diff(by_page.start)
    common = max(10, FEEDBACK_SHARE * len(page_ids))
    telling = (held > 1) & (held <= common) & ~_concept_terms(terms)
    by_page.transposed(telling).save(place, "about")
    (place / "terms.txt").write_text("\n".join(terms), "utf-8")
    np.save(place / "first.npy", np.array(first, np.int64))
    flat = passages.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
    vectors = flat.reshape(len(words), WIDTH)
    embedded = np.flatnonzero(np.any(vectors != 0, axis=1))  # code has no vectors
    np.save(place / "embedded.npy", embedded)
    np.save(place / "vectors.npy", vectors[embedded].astype(np.float32))
    np.save(place / "glosses.npy", glosses)
    _save(pa, place / "pages.arrow", pages.drop_columns(["head"]))
    _save(pa, place / "passages.arrow", passages.select(["heading", "text"]))
    sizes = {"pages": len(page_ids), "passages": len(words), "terms": len(terms)}
    (place / "info.json").write_text(json.dumps({**info, **sizes}), "utf-8")
    return sizes


def _first_rows(page_ids: Sequence[str], owners: Sequence[str]) -> list[int]:
    """The row of each page's first passage, and the end."""
    starts: dict[str, int] = {}
    for row, owner in enumerate(owners):
        starts.setdefault(owner, row)
    return [*(starts[page_id] for page_id in page_ids), len(owners)]


def _concept_terms(terms: Mapping[str, int]) -> np.ndarray:
    marked = np.zeros(len(terms), bool)
    marked[[terms[c.token] for c in vocabulary().concepts if c.token in terms]] = True
    return marked


def _save(pa: Any, path: Path, table: Any) -> None:
    with pa.OSFile(str(path), "wb") as sink, pa.ipc.new_file(sink, table.schema) as writer:
        writer.write_table(table.combine_chunks())
