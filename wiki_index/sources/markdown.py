"""Any tree of Markdown files: a page a file; frontmatter is read where it is understood."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from wiki_index.page import (
    Page,
    Source,
    invalid,
    make_page,
    markdown_files,
    one_line,
    read_markdown,
)
from wiki_index.sources.base import MOST_BYTES, Skipped, SourceSpec, licence_of, revision_of, slug

_TITLE = re.compile(r"^#\s+(\S.*)$", re.MULTILINE)
_HIDDEN = re.compile(r"(^|/)(\.[^/]+|node_modules)(/|$)")


def read(spec: SourceSpec) -> Iterator[Page | Skipped]:
    """Every readable file; what cannot be read is said."""
    root = spec.root
    revision, origin = revision_of(root)
    licence = licence_of(root)
    for path in markdown_files(root):
        name = path.relative_to(root).as_posix()
        if _HIDDEN.search(name):
            continue
        try:
            if path.stat().st_size > MOST_BYTES:
                raise invalid(path, "it is too large")
            fields, body = read_markdown(path)
            yield _page(path, name, fields or {}, body, spec, (origin, revision, licence))
        except (AssayError, OSError) as error:
            yield Skipped(name, str(error))


def _page(
    path: Path,
    name: str,
    fields: dict[str, Any],
    body: str,
    spec: SourceSpec,
    provenance: tuple[str, str, str],
) -> Page:
    origin, revision, licence = provenance
    heading = _TITLE.search(body)
    title = text_of(fields, "title") or one_line(heading[1] if heading else path.stem)
    url = text_of(fields, "url") or text_of(fields, "source")
    if not url.startswith("http"):
        url = f"{origin}/blob/{revision or 'HEAD'}/{name}" if origin.startswith("http") else ""
    return make_page(
        path,
        {
            "id": f"{spec.label}/{slug(name.removesuffix('.md'))}",
            "title": title,
            "type": "note",
            "tags": texts_of(fields, "tags"),
            "aliases": texts_of(fields, "aliases"),
            "architectures": texts_of(fields, "architectures"),
            "confidence": "unknown",
            "sources": (Source(title=title, url=url),) if url else (),
            "date": text_of(fields, "date")[:10] or None,
            "standing": "reference",
            "origin": origin or spec.label,
            "revision": revision,
            "licence": text_of(fields, "license") or licence,
            "body": body,
            "path": name,
        },
    )


def text_of(fields: dict[str, Any], name: str) -> str:
    """A field as text; nothing if it is a list, a mapping or absent."""
    value = fields.get(name)
    return "" if value is None or isinstance(value, list | dict) else str(value)


def texts_of(fields: dict[str, Any], name: str) -> tuple[str, ...]:
    """A field as a tuple of texts, whether it was one or a list."""
    value = fields.get(name)
    items = value if isinstance(value, list) else [] if value is None else [value]
    return tuple(str(item) for item in items if isinstance(item, str | int | float))
