"""Sources: where pages come from. One connector a module, all behind `read_source`.

A connector yields pages and, for what it cannot read, `Skipped` with the reason. It opens files below
the source's place only, follows no links out of it, runs nothing, and asks no network.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from sandbox.errors import AssayError
from wiki_index.page import Page
from wiki_index.sources import checkout, kernelwiki, lessons, markdown, own, package, pulls
from wiki_index.sources.base import Skipped, SourceSpec

READERS: dict[str, Callable[[SourceSpec], Iterator[Page | Skipped]]] = {
    "pages": own.read,
    "kernelwiki": kernelwiki.read,
    "markdown": markdown.read,
    "checkout": checkout.read,
    "prs": pulls.read,
    "package": package.read,
    "lessons": lessons.read,
}
KINDS = tuple(READERS)


def read_source(spec: SourceSpec | Path) -> Iterator[Page | Skipped]:
    """Every page of a source. A bare path is a tree of the project's own pages.

    Raises:
        AssayError: `unknown_source_kind` or `missing_source`; `invalid_page` from own pages, which
            are checked before they are shipped.
    """
    if isinstance(spec, Path):
        spec = SourceSpec(kind="pages", location=str(spec))
    reader = READERS.get(spec.kind)
    if reader is None:
        raise AssayError(
            "unknown_source_kind",
            f"There is no source kind {spec.kind!r}.",
            f"Kinds: {', '.join(KINDS)}.",
        )
    return reader(spec)


__all__ = ["KINDS", "READERS", "Skipped", "SourceSpec", "read_source"]
