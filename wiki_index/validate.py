"""Checks pages: schema, ids, vocabulary, links, sources. `python -m wiki_index.validate DIR`."""

from __future__ import annotations

import re
import sys
from collections.abc import Iterator
from pathlib import Path

from sandbox.errors import AssayError
from wiki_index.page import CONFIDENCES, TYPES, Page, read_page

ARCHITECTURES = frozenset(
    ("any", "sm80", "sm90", "sm90a", "sm100", "sm100a", "sm103", "sm103a", "sm120")
)
_SLUG = re.compile(r"[a-z0-9][a-z0-9.-]*")
_URL = re.compile(r"https?://\S+")


def validate(root: Path) -> tuple[int, list[str]]:
    """The number of pages below a directory, and what is wrong with them."""
    pages: dict[str, Page] = {}
    problems: list[str] = []
    for path in sorted(root.rglob("*.md")):
        try:
            page = read_page(path, root)
        except AssayError as error:
            problems.append(error.message)
            continue
        if page.id in pages:
            problems.append(f"{page.path}: the id {page.id} is taken by {pages[page.id].path}")
        pages[page.id] = page
    for page in pages.values():
        problems += [f"{page.path}: {problem}" for problem in _check(page, pages)]
    return len(pages), problems


def _check(page: Page, pages: dict[str, Page]) -> Iterator[str]:
    if page.type not in TYPES:
        yield f"type {page.type!r} is not one of {', '.join(TYPES)}"
    if page.confidence not in CONFIDENCES:
        yield f"confidence {page.confidence!r} is not one of {', '.join(CONFIDENCES)}"
    if page.path != f"{page.type}/{page.id}.md" or not page.id.startswith(f"{page.type}-"):
        yield f"a page of type {page.type} must be {page.type}/{page.type}-<slug>.md"
    if unknown := set(page.architectures) - ARCHITECTURES:
        yield f"unknown architectures {sorted(unknown)}"
    if bad := [tag for tag in page.tags if not _SLUG.fullmatch(tag)]:
        yield f"tags are lower-case slugs, not {bad}"
    if not page.sources:
        yield "it names no source"
    if bad := [source.url for source in page.sources if not _URL.fullmatch(source.url)]:
        yield f"not a URL: {bad}"
    links = (*page.related, *page.candidate_techniques)
    if missing := [link for link in links if link not in pages]:
        yield f"links to pages that do not exist: {missing}"
    if page.id in links:
        yield "it links to itself"
    if len(page.body.split()) < 120:
        yield "it has fewer than 120 words"
    if not any(section.heading for section in page.sections()):
        yield "it has no heading"


def main() -> int:
    """Print what is wrong; exit 0 if nothing is."""
    root = Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).parent / "pages"
    count, problems = validate(root)
    print(*problems, f"{count} pages, {len(problems)} problems", sep="\n")
    return 1 if problems or not count else 0


if __name__ == "__main__":
    sys.exit(main())
