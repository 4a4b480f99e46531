"""Trails: from a symptom to the pattern behind it, to techniques against it, to what those rest on.

Follows the links of pages, one step at a time, and only to pages that the reader may see.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from wiki_index.models import Linked, Trail
from wiki_index.page import Page

if TYPE_CHECKING:
    from wiki_index.view import View

MOST_TRAILS = 2
MOST_TECHNIQUES = 6
MOST_EVIDENCE = 6
_MEANS = ("technique", "hardware", "migration")


def trails(view: View, rows: Sequence[int]) -> tuple[Trail, ...]:
    """Trails from the best patterns among some pages; without one, from the best page."""
    pages = [view.snapshot.page(row) for row in rows]
    starts = [page for page in pages if page.type == "pattern"][:MOST_TRAILS] or pages[:1]
    return tuple(_trail(view, start) for start in starts)


def _trail(view: View, start: Page) -> Trail:
    wanted = start.candidate_techniques or start.related
    techniques = [page for page in _pages(view, wanted) if page.type in _MEANS][:MOST_TECHNIQUES]
    evidence: dict[str, Linked] = {}
    for page in (start, *techniques):
        for other in _pages(view, (*page.evidence, *page.related)):
            if other.id != start.id and other.type not in (*_MEANS, "pattern"):
                evidence.setdefault(other.id, _linked(view, other, page.id))
    return Trail(
        pattern=_linked(view, start, "") if start.type == "pattern" else None,
        techniques=tuple(_linked(view, page, start.id) for page in techniques),
        evidence=tuple(evidence.values())[:MOST_EVIDENCE],
    )


def _pages(view: View, links: Sequence[str]) -> Iterator[Page]:
    for link in dict.fromkeys(links):
        row = view.row(link)
        if row is not None:
            yield view.snapshot.page(row)


def _linked(view: View, page: Page, via: str) -> Linked:
    return Linked(
        page_id=page.id,
        title=view.mask(page.title),
        type=page.type,
        confidence=page.confidence,
        via=via,
    )
