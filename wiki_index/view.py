"""A snapshot as one reader may see it: without withheld pages, filtered, and with the answers made.

Must never let a withheld page through: not as a hit, not as a link, a trail or a conflict, not in a
snippet, and not by what it is about.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from difflib import get_close_matches
from pathlib import Path
from typing import Any

import numpy as np

from sandbox.errors import AssayError
from wiki_index import denial
from wiki_index.cutting import Section, heading_near
from wiki_index.embedding import Embedder
from wiki_index.models import Conflict, Filters, Hit, SearchAnswer
from wiki_index.page import Page, Source
from wiki_index.passages import defused, snippet
from wiki_index.ranking import Ranked, Ranker, Weights
from wiki_index.snapshot import Snapshot
from wiki_index.tokens import tokens
from wiki_index.trails import trails

MOST_HITS = 50
MOST_COMPARED = 3000
LEAST_SHARE = 0.25
"""A page whose score is a smaller share of the best one's is noise."""

WEAK = "These match weakly: read one before you rely on it, or ask again with an identifier or a symptom."
NOTHING = (
    "Nothing good was found. Use an exact identifier (tcgen05.mma), a symptom (bank conflicts), or "
    "fewer words and no filters."
)


class View:
    """What one reader sees of one snapshot."""

    def __init__(
        self,
        place: Path,
        deny: Sequence[str],
        embedder: Embedder,
        weights: Weights | None = None,
    ) -> None:
        self.snapshot = snapshot = Snapshot(place)
        self.version = f"{snapshot.name}/{snapshot.info['rules']}"
        self._ranker = Ranker(snapshot, embedder.one, weights)
        self._visible = np.ones(len(snapshot.page_ids), bool)
        withheld = set(snapshot.info["withheld"])
        urls = set(snapshot.info["withheld_urls"])
        for row in self._denied_rows(deny):
            self._visible[row] = False
            withheld.add(snapshot.page_ids[row])
            urls.update(snapshot.page(row).own_url)
        self._urls = frozenset(urls)
        self.mask: Callable[[str], str] = denial.masker(
            (*withheld, *urls, *snapshot.info["missing"]), deny
        )

    def row(self, page_id: str) -> int | None:
        """The row of a page that this reader may see."""
        row = self.snapshot.rows.get(page_id)
        return row if row is not None and self._visible[row] else None

    def near(self, page_id: str) -> list[str]:
        """Ids like one that does not exist."""
        shown = [self.snapshot.page_ids[row] for row in np.flatnonzero(self._visible)]
        if len(shown) > MOST_COMPARED:  # comparing letters is slow: only what shares a part
            parts = sorted(re.findall(r"[a-z0-9]{3,}", page_id.lower()), key=len, reverse=True)
            shown = [name for name in shown if any(part in name.lower() for part in parts[:3])]
        return get_close_matches(page_id[:200], shown[:MOST_COMPARED], n=5, cutoff=0.4)

    def shown_links(self, links: Iterable[str]) -> tuple[str, ...]:
        """Those of the links that lead somewhere."""
        return tuple(link for link in links if self.row(link) is not None)

    def shown_sources(self, page: Page) -> tuple[Source, ...]:
        """The sources of a page but for those that are withheld pages themselves."""
        return tuple(
            source.model_copy(update={"title": self.mask(source.title)})
            for source in page.sources
            if source.url not in self._urls
        )

    def search(self, query: str, k: int, filters: Filters, graph: bool) -> SearchAnswer:
        """Ranked pages, or a note that says what to try."""
        words = list(dict.fromkeys(tokens(query)))
        if not words:
            return self._none("The query has no words. Name a feature or a symptom.")
        fitting = self._visible
        if filters.any:
            fitting = self._visible & self._fitting(filters)
            if not fitting.any():
                return self._none(self._no_such(filters))
        ranked = self._ranker.rank(query, fitting)
        if not ranked.may_answer:
            return self._none(NOTHING)
        most = max(1, min(k, MOST_HITS))
        good = np.flatnonzero(ranked.scores >= LEAST_SHARE * ranked.scores[0])[:most]
        return SearchAnswer(
            hits=tuple(self._hit(ranked, place, words) for place in good),
            trails=trails(self, [int(ranked.rows[place]) for place in good]) if graph else (),
            note="" if ranked.answers else WEAK,
            index_version=self.version,
        )

    def _none(self, note: str) -> SearchAnswer:
        return SearchAnswer(hits=(), note=note, index_version=self.version)

    def _hit(self, ranked: Ranked, place: int, words: Sequence[str]) -> Hit:
        row = int(ranked.rows[place])
        page = self.snapshot.page(row)
        heading, text = self.snapshot.passage(int(ranked.passages[place]))
        shown = snippet(text, words)
        near = heading_near(Section(heading, text), shown.removeprefix("… "))
        return Hit(
            page_id=page.id,
            path=page.path,
            title=self.mask(page.title),
            type=page.type,
            heading=defused(self.mask(near)),
            snippet=defused(self.mask(shown)),
            score=round(float(ranked.scores[place]), 4),
            confidence=page.confidence,
            date=page.date,
            sources=self.shown_sources(page),
            related=self.shown_links(page.links),
            repository=page.repository,
            origin=page.origin,
            revision=page.revision,
            licence=page.licence,
            conflicts=tuple(self._conflicts(page)),
        )

    def _conflicts(self, page: Page) -> Iterable[Conflict]:
        for quantity, here, there, other in self.snapshot.info["conflicts"].get(page.id, ()):
            if self.row(other) is not None:
                yield Conflict(
                    quantity=defused(self.mask(quantity)),
                    here=f"{here:g}",
                    there=f"{there:g}",
                    other_page=other,
                )

    def _fitting(self, filters: Filters) -> np.ndarray:
        if filters.since is not None and not _DATE.fullmatch(filters.since.strip()):
            raise AssayError(
                "invalid_filter",
                f"{filters.since[:40]!r} is no date.",
                "Write 2026-01-31 or 2026-01.",
            )
        asked = {name: value for name, value in filters.model_dump().items() if value is not None}
        fits = np.ones(len(self.snapshot.page_ids), bool)
        for name, value in asked.items():
            fits &= _FILTERS[name](self.snapshot, str(value).strip().lower())
        return fits

    def _no_such(self, filters: Filters) -> str:
        """Why nothing passes the filters, with the nearest values that exist."""
        for name, value in filters.model_dump().items():
            if value is None or name == "since":
                continue
            known = sorted({v for values in _COLUMNS[name] for v in _values(self.snapshot, values)})
            if str(value).lower() not in known:
                near = get_close_matches(str(value).lower(), known, n=5, cutoff=0.3) or known[:12]
                return f"No page has {name} {str(value)[:60]!r}. There is: {self.mask(', '.join(near))}."
        return "No page passes all of these filters together. Drop one."

    def _denied_rows(self, deny: Sequence[str]) -> Iterable[int]:
        if not deny:  # what is always denied was left out when it was built
            return
        columns = ("page_id", "path", "source", "repository")
        named = zip(*(self.snapshot.column(name) for name in columns), strict=True)
        for row, (names, urls) in enumerate(zip(named, self.snapshot.column("urls"), strict=True)):
            if denial.matches((*names, *urls), deny):
                yield row


_DATE = re.compile(r"\d{4}(-\d\d){0,2}")
_COLUMNS = {
    "type": ("type",),
    "architecture": ("architectures",),
    "tag": ("tags",),
    "technique": ("techniques", "tags"),
    "kernel_type": ("kernel_types", "tags"),
    "language": ("languages", "tags"),
    "repository": ("repository",),
    "symptom": ("symptoms",),
}


def _values(snapshot: Snapshot, column: str) -> Iterable[str]:
    for value in snapshot.column(column):
        yield from (
            item.lower() for item in ([value] if isinstance(value, str) else value or ()) if item
        )


def _rows(snapshot: Snapshot, test: Callable[[Any], bool], column: str) -> np.ndarray:
    return np.fromiter(map(test, snapshot.column(column)), bool, len(snapshot.page_ids))


def _has(*columns: str) -> Callable[[Snapshot, str], np.ndarray]:
    def fits(snapshot: Snapshot, value: str) -> np.ndarray:
        slug = "-".join(value.split())

        def test(values: Any) -> bool:
            return any(item.lower() in (value, slug) for item in values or ())

        found = [_rows(snapshot, test, name) for name in columns]
        return np.asarray(np.any(found, axis=0))

    return fits


def _architecture(snapshot: Snapshot, value: str) -> np.ndarray:
    return _rows(snapshot, lambda held: bool({value, "any"} & set(held or ())), "architectures")


def _repository(snapshot: Snapshot, value: str) -> np.ndarray:
    def test(held: str | None) -> bool:
        name = (held or "").lower()
        return name == value or name.rpartition("/")[2] == value

    return _rows(snapshot, test, "repository")


_FILTERS: dict[str, Callable[[Snapshot, str], np.ndarray]] = {
    "type": lambda snapshot, value: _rows(snapshot, lambda held: held == value, "type"),
    "architecture": _architecture,
    "tag": _has("tags"),
    "technique": _has("techniques", "tags"),
    "kernel_type": _has("kernel_types", "tags"),
    "language": _has("languages", "tags"),
    "repository": _repository,
    "symptom": _has("symptoms"),
    "since": lambda snapshot, value: _rows(snapshot, lambda held: (held or "") >= value, "date"),
}
