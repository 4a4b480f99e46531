"""The project's own pages: checked when they are shipped, so a wrong one fails the build."""

from __future__ import annotations

from collections.abc import Iterator

from wiki_index.page import Page, markdown_files, read_page
from wiki_index.sources.base import Skipped, SourceSpec


def read(spec: SourceSpec) -> Iterator[Page | Skipped]:
    """Every page below the directory.

    Raises:
        AssayError: `missing_source` or `invalid_page`.
    """
    root = spec.root
    for path in markdown_files(root):
        yield read_page(path, root)
