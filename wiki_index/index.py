"""The index: sections of pages in a LanceDB table, found by BM25 over our own tokens.

Each build writes a new table and then switches a pointer file, so readers never wait for a build and
never see half of one. LanceDB is imported when it is first needed; the server uses this through
`wiki_index.worker`.
"""

from __future__ import annotations

import contextlib
import fcntl
import fnmatch
import json
import shutil
import time
from collections.abc import Iterable, Iterator, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from wiki_index.models import BuildReport, Hit, PageText, SearchAnswer
from wiki_index.page import Page, clean, read_pages
from wiki_index.passages import block, defused, masked, snippet
from wiki_index.tokens import tokens

POINTER = "current.json"
TABLE = "sections"
HEAD_WEIGHT = 3
"""How often title, tags and aliases stand in a section's tokens: a field weight for BM25."""

POOL = 60
MIN_COVERAGE = 0.34
"""A page must hold this share of the query's distinct tokens, or it is noise."""

MOST_HITS = 50
FORMAT = 2
"""Of what a build writes; an index of another format is built again."""


class WikiIndex:
    """One index directory. Pages that match `deny` are withheld, though the index holds them."""

    def __init__(self, directory: Path, deny: Sequence[str] = ()) -> None:
        self._directory = directory
        self._deny = tuple(deny)
        self._loaded: tuple[str, Any, dict[str, Page], frozenset[str]] | None = None

    def build(self, sources: Sequence[Path], deny: Sequence[str] = ()) -> BuildReport:
        """Index every page below the sources.

        Raises:
            AssayError: `missing_source`, `invalid_page` or `duplicate_page`.
        """
        with self._building():
            return self._build(sources, deny)

    def _build(self, sources: Sequence[Path], deny: Sequence[str]) -> BuildReport:
        started = time.perf_counter()
        before = self._manifest()
        pages: dict[str, Page] = {}
        withheld: set[str] = set()
        for root in sources:
            if not root.is_dir():
                raise AssayError("missing_source", f"There is no directory of pages at {root}.")
            for page in read_pages(root):
                if denied(page, deny):
                    withheld.add(page.id)
                elif page.id in pages:
                    raise AssayError(
                        "duplicate_page", f"{page.path} and {pages[page.id].path} share one id."
                    )
                else:
                    pages[page.id] = page
        old: dict[str, str] = before.get("hashes", {})
        hashes = {page_id: page.sha256 for page_id, page in pages.items()}
        changed = sum(old.get(page_id) != digest for page_id, digest in hashes.items())
        removed = len(old.keys() - hashes.keys())
        count = before.get("sections", 0)
        same = (
            before.get("format") == FORMAT
            and before["withheld"] == sorted(withheld)
            and self._table(before).is_dir()
        )
        if changed or removed or not same:
            count = self._write(pages, hashes, withheld)
        return BuildReport(
            pages=len(pages),
            sections=count,
            changed=changed,
            removed=removed,
            withheld=len(withheld),
            seconds=round(time.perf_counter() - started, 3),
        )

    def search(
        self,
        query: str,
        k: int = 8,
        type: str | None = None,
        architecture: str | None = None,
        tag: str | None = None,
    ) -> SearchAnswer:
        """The pages that answer a query best, each with its best section."""
        words = list(dict.fromkeys(tokens(clean(query))))
        if not words:
            return SearchAnswer(
                hits=(), note="The query has no words. Name a feature or a symptom."
            )
        table, pages, gone = self._load()
        fitting = {p.id for p in pages.values() if _fits(p, type, architecture, tag)}
        filtered = self._deny or (type, architecture, tag) != (None, None, None)
        best: dict[str, dict[str, Any]] = {}
        for row in self._match(table, words, fitting if filtered else None):
            page_id = row["page_id"]
            if page_id not in fitting:
                continue
            kept = best.get(page_id)
            if kept is None or row["_score"] > kept["_score"]:
                best[page_id] = row
        wanted = set(words)
        hits = [
            _hit(pages[page_id], row, words, gone)
            for page_id, row in sorted(best.items(), key=lambda item: -item[1]["_score"])
            if len(wanted & set(row["tokens"].split())) >= max(1, MIN_COVERAGE * len(wanted))
        ]
        if not hits:
            return SearchAnswer(
                hits=(),
                note="Nothing good was found. Use an exact identifier (tcgen05.mma), a symptom "
                "(bank conflicts), or fewer words and no filters.",
            )
        return SearchAnswer(hits=tuple(hits[: max(1, min(k, MOST_HITS))]))

    def read(self, page_id: str, section: str | None = None, max_chars: int = 6000) -> PageText:
        """A page's text, or one section of it.

        Raises:
            AssayError: `unknown_page` or `unknown_section`, with near names.
        """
        _, pages, gone = self._load()
        page = pages.get(page_id)
        if page is None:
            near = get_close_matches(page_id, pages, n=5, cutoff=0.4)
            raise AssayError(
                "unknown_page",
                f"There is no page {page_id[:100]!r}.",
                f"Near: {', '.join(near)}." if near else "Find one with search_wiki.",
            )
        headings = tuple(dict.fromkeys(s.heading for s in page.sections() if s.heading))
        text = page.body.strip()
        if section is not None:
            chosen = [s for s in page.sections() if _same(section, s.heading)]
            if not chosen:
                raise AssayError(
                    "unknown_section",
                    f"{page_id} has no section {section[:100]!r}.",
                    f"Sections: {'; '.join(headings)}.",
                )
            text = "\n\n".join(piece.text for piece in chosen)
        text = masked(text, gone)
        shown = tuple(defused(masked(heading, gone)) for heading in headings)
        return PageText(
            page_id=page.id,
            title=page.title,
            type=page.type,
            confidence=page.confidence,
            date=page.date,
            sources=page.sources,
            related=tuple(r for r in page.related if r not in gone),
            sections=shown,
            section=section,
            text=block(text[:max_chars]),
            truncated=len(text) > max_chars,
        )

    def _match(self, table: Any, words: list[str], only: set[str] | None) -> list[dict[str, Any]]:
        from lancedb.query import MatchQuery

        query = table.search(MatchQuery(" ".join(words), "tokens"), query_type="fts")
        if only is not None:  # before ranking: a filter must not lose what the pool cut off
            if not only:
                return []
            names = ", ".join("'" + name.replace("'", "''") + "'" for name in sorted(only))
            query = query.where(f"page_id IN ({names})", prefilter=True)
        rows: list[dict[str, Any]] = (
            query.select(["page_id", "heading", "text", "tokens", "_score"]).limit(POOL).to_list()
        )
        return rows

    def _write(self, pages: dict[str, Page], hashes: dict[str, str], withheld: set[str]) -> int:
        import lancedb
        import pyarrow as pa
        from lancedb.index import FTS

        rows = [row for page in pages.values() for row in _rows(page)]
        name = f"v{time.time_ns()}"
        place = self._directory / name
        place.mkdir(parents=True)
        schema = pa.schema([(c, pa.string()) for c in ("page_id", "heading", "text", "tokens")])
        table = lancedb.connect(str(place)).create_table(
            TABLE, pa.Table.from_pylist(rows, schema=schema)
        )
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
        (place / "pages.json").write_text(
            json.dumps([page.model_dump(mode="json") for page in pages.values()]), "utf-8"
        )
        previous = self._manifest().get("name")
        manifest = {
            "format": FORMAT,
            "name": name,
            "hashes": hashes,
            "sections": len(rows),
            "withheld": sorted(withheld),
        }
        temporary = self._directory / f".{POINTER}.new"
        temporary.write_text(json.dumps(manifest), "utf-8")
        temporary.replace(self._directory / POINTER)
        for path in self._directory.glob("v*"):  # the one before stays for readers that hold it
            if path.name not in (name, previous):
                shutil.rmtree(path, ignore_errors=True)
        return len(rows)

    @contextlib.contextmanager
    def _building(self) -> Iterator[None]:
        """One build at a time, of any process; readers do not take part."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / ".build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _table(self, manifest: dict[str, Any]) -> Path:
        return Path(self._directory, manifest["name"], f"{TABLE}.lance")

    def _manifest(self) -> dict[str, Any]:
        path = self._directory / POINTER
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def _load(self) -> tuple[Any, dict[str, Page], frozenset[str]]:
        manifest = self._manifest()
        if manifest.get("format") != FORMAT or not self._table(manifest).is_dir():
            raise AssayError(
                "no_index", "The wiki index is missing or too old.", "Run: assay wiki build"
            )
        if self._loaded is None or self._loaded[0] != manifest["name"]:
            import lancedb

            place = self._directory / manifest["name"]
            table = lancedb.connect(str(place)).open_table(TABLE)
            raw = json.loads((place / "pages.json").read_text("utf-8"))
            held = [Page.model_validate(item) for item in raw]
            pages = {page.id: page for page in held if not denied(page, self._deny)}
            withheld = {page.id for page in held} - pages.keys() | set(manifest["withheld"])
            mentioned = {r for page in pages.values() for r in page.related}
            gone = frozenset(withheld | (mentioned - pages.keys()))
            self._loaded = (manifest["name"], table, pages, gone)
        _, table, pages, gone = self._loaded
        return table, pages, gone


def denied(page: Page, patterns: Iterable[str]) -> bool:
    """Whether a page or one of its sources matches the deny-list."""
    names = (page.id, page.path, *(source.url for source in page.sources))
    return any(fnmatch.fnmatchcase(name, pattern) for pattern in patterns for name in names)


def _rows(page: Page) -> list[dict[str, str]]:
    head = " ".join((page.title, page.id, *page.tags, *page.aliases, *page.symptoms))
    weighted = " ".join(tokens(head) * HEAD_WEIGHT)
    return [
        {
            "page_id": page.id,
            "heading": section.heading,
            "text": section.text,
            "tokens": f"{weighted} {' '.join(tokens(f'{section.heading} {section.text}'))}",
        }
        for section in page.sections()
    ]


def _fits(page: Page, kind: str | None, architecture: str | None, tag: str | None) -> bool:
    return (
        (kind is None or page.type == kind)
        and (architecture is None or {architecture, "any"} & set(page.architectures) != set())
        and (tag is None or tag in page.tags)
    )


def _hit(page: Page, row: dict[str, Any], words: list[str], gone: frozenset[str]) -> Hit:
    return Hit(
        page_id=page.id,
        path=page.path,
        title=page.title,
        type=page.type,
        heading=defused(masked(row["heading"], gone)),
        snippet=defused(snippet(masked(row["text"], gone), words)),
        score=round(float(row["_score"]), 4),
        confidence=page.confidence,
        date=page.date,
        sources=page.sources,
        related=tuple(r for r in page.related if r not in gone),
    )


def _same(asked: str, heading: str) -> bool:
    asked, heading = asked.strip().lower(), heading.lower()
    return asked in (heading, heading.rpartition(" > ")[2])
