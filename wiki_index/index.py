"""The index of one directory: build it, search it, read pages of it, go back to an earlier version.

Builds take turns and end by switching a pointer file, so readers never wait for one and never see
half of it. Heavy parts are imported when they are first needed; the server uses this through
`wiki_index.worker`.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import shutil
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from wiki_index import quantities
from wiki_index.models import (
    BuildReport,
    Filters,
    IndexStats,
    IndexVersion,
    PageText,
    SearchAnswer,
)
from wiki_index.page import clean
from wiki_index.passages import block, defused
from wiki_index.sources.base import SourceSpec

POINTER = "current.json"
KEPT = 4
"""Snapshots that stay: the current one, and those that one can go back to."""

FORMAT = 5
"""Of what a build writes; an index of another format is built again."""

MOST_PROBLEMS = 20
MOST_CHARS = 40_000


class WikiIndex:
    """One index directory. Pages that match `deny` are withheld, though the index holds them."""

    def __init__(self, directory: Path, deny: Sequence[str] = ()) -> None:
        self._directory = directory
        self._deny = tuple(deny)
        self._view: Any = None
        self._embedder: Any = None

    def build(
        self,
        sources: Sequence[SourceSpec | Path],
        deny: Sequence[str] = (),
        on_progress: Any = None,
    ) -> BuildReport:
        """Index every page of the sources; pages of no source leave the index.

        Raises:
            AssayError: `missing_source`, `unknown_source_kind`, and for the project's own pages
                `invalid_page` or `duplicate_page`.
        """
        with self._building():
            return self._build(sources, deny, on_progress or (lambda *_: None))

    def search(
        self,
        query: str,
        k: int = 8,
        expand: str | None = None,
        **filters: str | None,
    ) -> SearchAnswer:
        """The pages that answer a query best, each with its best passage. Filters: see `Filters`.

        Raises:
            AssayError: `no_index`.
        """
        chosen = Filters.model_validate(filters)
        answer: SearchAnswer = self._open().search(clean(query), k, chosen, expand == "graph")
        return answer

    def read(self, page_id: str, section: str | None = None, max_chars: int = 6000) -> PageText:
        """A page's text, or one section of it.

        Raises:
            AssayError: `no_index`, `unknown_page` or `unknown_section`, with near names.
        """
        view = self._open()
        row = view.row(page_id)
        if row is None:
            near = view.near(page_id)
            raise AssayError(
                "unknown_page",
                f"There is no page {page_id[:100]!r}.",
                f"Near: {', '.join(near)}." if near else "Find one with search_wiki.",
            )
        page = view.snapshot.page(row).model_copy(update={"body": view.snapshot.body(row)})
        pieces = page.sections()
        headings = tuple(dict.fromkeys(piece.heading for piece in pieces if piece.heading))
        text = page.body.strip()
        if section is not None:
            chosen = [piece for piece in pieces if _same(section, piece.heading)]
            if not chosen:
                raise AssayError(
                    "unknown_section",
                    f"{page_id} has no section {section[:100]!r}.",
                    f"Sections: {view.mask('; '.join(headings))[:1000]}.",
                )
            text = "\n\n".join(piece.text for piece in chosen)
        limit = max(1, min(max_chars, MOST_CHARS))
        text = view.mask(text)
        return PageText(
            page_id=page.id,
            title=view.mask(page.title),
            type=page.type,
            confidence=page.confidence,
            date=page.date,
            sources=view.shown_sources(page),
            related=view.shown_links(page.links),
            sections=tuple(defused(view.mask(heading)) for heading in headings),
            section=section,
            origin=page.origin,
            revision=page.revision,
            licence=page.licence,
            index_version=view.version,
            text=block(text[:limit]),
            truncated=len(text) > limit,
        )

    def stats(self) -> IndexStats:
        """What the index holds.

        Raises:
            AssayError: `no_index`.
        """
        snapshot = self._open().snapshot
        return IndexStats(
            version=snapshot.name,
            pages=len(snapshot.page_ids),
            passages=snapshot.info["passages"],
            terms=snapshot.info["terms"],
            withheld=len(snapshot.info["withheld"]),
            by_type=dict(Counter(snapshot.column("type")).most_common()),
            by_origin=dict(
                Counter(name or "own pages" for name in snapshot.column("source")).most_common()
            ),
            size_bytes=_size(self._directory),
            versions=self.versions(),
        )

    def versions(self) -> tuple[IndexVersion, ...]:
        """The snapshots that are kept, the newest first."""
        current = self._pointer().get("name")
        found = []
        for place in self._snapshots():
            info = json.loads((place / "info.json").read_text("utf-8"))
            found.append(
                IndexVersion(
                    version=place.name,
                    current=place.name == current,
                    pages=info["pages"],
                    passages=info["passages"],
                    model=info["rules"],
                    size_bytes=_size(place),
                )
            )
        return tuple(found)

    def rollback(self, version: str | None = None) -> IndexVersion:
        """Point at an earlier snapshot: the one before the current, or the one that is named.

        The next build that finds a change in the sources replaces it.

        Raises:
            AssayError: `no_index` or `unknown_version`.
        """
        with self._building():
            names = [place.name for place in self._snapshots()]
            current = self._pointer().get("name")
            if current not in names:
                raise _no_index()
            older = names[names.index(current) + 1 :]
            chosen = version or (older[0] if older else None)
            if chosen not in names:
                raise AssayError(
                    "unknown_version",
                    f"There is no version {version!r} to go back to."
                    if version
                    else "There is no version before the current one.",
                    f"Kept: {', '.join(names)}.",
                )
            self._point(str(chosen))
        return next(item for item in self.versions() if item.current)

    def _build(
        self, sources: Sequence[SourceSpec | Path], deny: Sequence[str], on_progress: Any
    ) -> BuildReport:
        from wiki_index import build
        from wiki_index.snapshot import write_snapshot
        from wiki_index.store import Store

        started = time.perf_counter()
        found = build.collect(sources, deny, on_progress)
        store = Store(self._directory / "lance")
        embedder = self._model()
        changed, removed = build.update(store, found.pages, embedder, on_progress)
        kept = self._snapshots()
        info = {
            "format": FORMAT,
            "rules": build.rules(),
            "withheld": sorted(found.withheld),
            "withheld_urls": sorted(found.withheld_urls),
            "missing": sorted(
                {link for p in found.pages.values() for link in p.links} - found.pages.keys()
            ),
            "conflicts": {
                page_id: [
                    [d.here.quantity, d.here.value, d.there.value, d.there.page_id] for d in items
                ]
                for page_id, items in quantities.disagreements(
                    figure for page in found.pages.values() for figure in quantities.figures(page)
                ).items()
            },
        }
        newest = json.loads((kept[0] / "info.json").read_text("utf-8")) if kept else {}
        same = not (changed or removed) and {**newest, **info} == newest
        if not same:
            name = f"v{time.time_ns()}"
            write_snapshot(
                self._directory / name, store, build.gloss_vectors(embedder), info, on_progress
            )
            self._point(name)
            for place in self._snapshots()[KEPT:]:
                shutil.rmtree(place, ignore_errors=True)
        elif not self._current():
            self._point(kept[0].name)
        current = self._current()
        assert current is not None
        sizes = json.loads((current / "info.json").read_text("utf-8"))
        return BuildReport(
            version=current.name,
            pages=len(found.pages),
            sections=sizes["passages"],
            changed=changed,
            removed=removed,
            withheld=len(found.withheld),
            skipped=len(found.skipped),
            problems=tuple(found.skipped[:MOST_PROBLEMS]),
            seconds=round(time.perf_counter() - started, 3),
        )

    def _open(self) -> Any:
        """The current snapshot as this reader may see it."""
        from wiki_index.view import View

        current = self._current()
        if current is None:
            raise _no_index()
        if self._view is None or self._view.snapshot.name != current.name:
            self._view = View(current, self._deny, self._model())
        return self._view

    def _model(self) -> Any:
        if self._embedder is None:
            from wiki_index.embedding import Embedder

            self._embedder = Embedder()
        return self._embedder

    @contextlib.contextmanager
    def _building(self) -> Iterator[None]:
        """One build at a time, of any process; readers do not take part."""
        self._directory.mkdir(parents=True, exist_ok=True)
        with (self._directory / ".build.lock").open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _pointer(self) -> dict[str, Any]:
        path = self._directory / POINTER
        return dict(json.loads(path.read_text("utf-8"))) if path.is_file() else {}

    def _point(self, name: str) -> None:
        temporary = self._directory / f".{POINTER}.new"
        temporary.write_text(json.dumps({"format": FORMAT, "name": name}), "utf-8")
        temporary.replace(self._directory / POINTER)

    def _current(self) -> Path | None:
        pointer = self._pointer()
        place = self._directory / str(pointer.get("name"))
        fits = pointer.get("format") == FORMAT and (place / "info.json").is_file()
        return place if fits else None

    def _snapshots(self) -> list[Path]:
        """Complete snapshots of this format, the newest first; `info.json` is written last."""
        found = (path.parent for path in self._directory.glob("v*/info.json"))
        ordered = sorted(found, key=lambda place: int(place.name[1:]), reverse=True)
        return [
            place
            for place in ordered
            if json.loads((place / "info.json").read_text("utf-8")).get("format") == FORMAT
        ]


def _no_index() -> AssayError:
    return AssayError("no_index", "The wiki index is missing or too old.", "Run: assay wiki build")


def _same(asked: str, heading: str) -> bool:
    asked, heading = asked.strip().lower(), heading.lower()
    return asked in (heading, heading.rpartition(" > ")[2])


def _size(directory: Path) -> int:
    return sum(path.stat().st_size for path in directory.rglob("*") if path.is_file())
