"""What was indexed, in LanceDB: pages, and passages with their tokens and vectors.

Builds read and write these tables; a search reads the snapshot that a build makes of them, so a
half-written table is never seen. One writer at a time (`WikiIndex` holds the lock). A page's row is
written last: after a crash, its passages are written again.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import numpy as np

from wiki_index.cutting import Section
from wiki_index.embedding import WIDTH
from wiki_index.page import Page

IDS_AT_ONCE = 400
KEPT_FRAGMENTS = 20
"""A table of more versions is compacted, and its old files are removed."""


@dataclass(frozen=True)
class Prepared:
    """A page with everything that the index holds of it."""

    page: Page
    digest: str
    head: str
    passages: tuple[Section, ...]
    tokens: tuple[str, ...]
    keys: tuple[str, ...]
    vectors: np.ndarray


class Store:
    """The two tables of one index directory."""

    def __init__(self, directory: Path) -> None:
        import lancedb

        self._database = lancedb.connect(str(directory))
        names = set(self._database.list_tables().tables)
        pages, passages = _schemas()
        self.pages = self._open("pages", pages, names)
        self.passages = self._open("passages", passages, names)

    def digests(self) -> dict[str, str]:
        """What is indexed of each page."""
        held = self.pages.search().select(["page_id", "digest"]).to_arrow()
        return dict(
            zip(*(held.column(name).to_pylist() for name in ("page_id", "digest")), strict=True)
        )

    def vectors(self) -> dict[str, np.ndarray]:
        """The vectors that passages have, by what was embedded: a text is embedded only once."""
        held = self.passages.search().select(["key", "vector"]).to_arrow()
        keys = held.column("key").to_pylist()
        flat = held.column("vector").combine_chunks().flatten().to_numpy(zero_copy_only=False)
        pairs = zip(keys, flat.reshape(len(keys), WIDTH), strict=True)
        return {key: vector for key, vector in pairs if vector.any()}

    def remove(self, page_ids: Sequence[str], passages_only: bool = False) -> None:
        """Forget pages."""
        for start in range(0, len(page_ids), IDS_AT_ONCE):
            names = ", ".join(_quoted(name) for name in page_ids[start : start + IDS_AT_ONCE])
            self.passages.delete(f"page_id IN ({names})")
            if not passages_only:
                self.pages.delete(f"page_id IN ({names})")

    def add(self, prepared: Sequence[Prepared], replace: bool) -> None:
        """Write pages; with `replace`, what was held of them goes first."""
        import pyarrow as pa

        if replace:
            self.remove([item.page.id for item in prepared])
        pages, passages = _schemas()
        rows = [row for item in prepared for row in _passage_rows(item)]
        vectors = np.concatenate([item.vectors for item in prepared]).astype(np.float16)
        columns = {name: [row[name] for row in rows] for name in passages.names if name != "vector"}
        arrays = [pa.array(columns[name], passages.field(name).type) for name in columns]
        arrays.append(pa.FixedSizeListArray.from_arrays(pa.array(vectors.reshape(-1)), WIDTH))
        self.passages.add(pa.Table.from_arrays(arrays, schema=passages))
        self.pages.add(pa.Table.from_pylist([_page_row(item) for item in prepared], pages))

    def compact(self) -> None:
        """Merge what many builds left in pieces."""
        for table in (self.pages, self.passages):
            if len(table.list_versions()) > KEPT_FRAGMENTS:
                with warnings.catch_warnings():  # nothing but a build reads these tables
                    warnings.simplefilter("ignore", UserWarning)
                    table.optimize(cleanup_older_than=timedelta(0))

    def read(self) -> tuple[Any, Any]:
        """All pages in order of id, and all passages in order of page and place."""
        pages = self.pages.to_arrow().sort_by("page_id")
        order = [("page_id", "ascending"), ("number", "ascending")]
        return pages, self.passages.to_arrow().sort_by(order)

    def _open(self, name: str, schema: Any, existing: set[str]) -> Any:
        if name in existing:
            table = self._database.open_table(name)
            if table.schema == schema:
                return table
            self._database.drop_table(name)
        return self._database.create_table(name, schema=schema)


def _schemas() -> tuple[Any, Any]:
    import pyarrow as pa

    text, texts = pa.string(), pa.list_(pa.string())
    pages = [(name, text) for name in ("page_id", "digest", "head", "path", "type", "standing")]
    pages += [(name, text) for name in ("repository", "date", "source", "meta", "body")]
    pages += [
        (name, texts)
        for name in (
            "architectures",
            "tags",
            "techniques",
            "kernel_types",
            "languages",
            "symptoms",
            "urls",
        )
    ]
    passages = [("page_id", text), ("number", pa.int32()), ("key", text)]
    passages += [(name, text) for name in ("heading", "text", "tokens")]
    return (
        pa.schema(pages),
        pa.schema([*passages, ("vector", pa.list_(pa.float16(), WIDTH))]),
    )


def _page_row(item: Prepared) -> dict[str, Any]:
    page = item.page
    fields = page.model_dump(mode="json")
    body = fields.pop("body")
    kept = _schemas()[0].names
    return {
        **{name: value for name, value in fields.items() if name in kept},
        "page_id": page.id,
        "digest": item.digest,
        "head": item.head,
        "source": page.origin,
        "urls": [source.url for source in page.sources],
        "meta": json.dumps(fields),
        "body": body,
    }


def _passage_rows(item: Prepared) -> Iterator[dict[str, Any]]:
    for number, (passage, words, key) in enumerate(
        zip(item.passages, item.tokens, item.keys, strict=True)
    ):
        yield {
            "page_id": item.page.id,
            "number": number,
            "key": key,
            "heading": passage.heading,
            "text": passage.text,
            "tokens": words,
        }


def _quoted(name: str) -> str:
    return "'" + name.replace("'", "''") + "'"
