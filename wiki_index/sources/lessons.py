"""This server's own candidates and reviews, as `server.lessons` wrote them from the ledger."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.errors import AssayError
from wiki_index.page import Page, markdown_files, read_page
from wiki_index.sources.base import Skipped, SourceSpec


def read(spec: SourceSpec) -> Iterator[Page | Skipped]:
    """Every lesson below the directory."""
    root = spec.root
    for path in markdown_files(root):
        try:
            yield read_page(path, root)
        except AssayError as error:
            yield Skipped(path.name, error.message)
