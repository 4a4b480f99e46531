"""An export of pull requests: JSON (a list, or an object a line), or a tree of Markdown pages.

The fields are those of `gh pr list --json number,title,body,url,author,mergedAt,files,labels`; the
names that GitHub's REST interface uses are understood, too.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from wiki_index.page import (
    Page,
    Source,
    clean,
    invalid,
    make_page,
    markdown_files,
    one_line,
    read_markdown,
)
from wiki_index.sources.base import Skipped, SourceSpec, slug
from wiki_index.sources.markdown import text_of, texts_of

_REPOSITORY = re.compile(r"https?://[^/]+/([^/]+/[^/]+)/pull/(\d+)")
MOST_PATHS = 200


def read(spec: SourceSpec) -> Iterator[Page | Skipped]:
    """Every pull request of the export; a path may be a file or a directory of files."""
    root = spec.root
    single = root.is_file()
    paths = [root] if single else [*markdown_files(root, "*.json*"), *markdown_files(root)]
    for path in paths:
        name = path.name if single else path.relative_to(root).as_posix()
        try:
            records = _markdown(path) if path.suffix == ".md" else _records(path)
        except (AssayError, OSError, ValueError, RecursionError) as error:
            yield Skipped(name, str(error))
            continue
        for number, record in enumerate(records):
            try:
                yield _page(path, name, record, spec)
            except (AssayError, TypeError, ValueError) as error:
                yield Skipped(f"{name}#{number}", str(error))


def _records(path: Path) -> list[Any]:
    text = path.read_text("utf-8")
    try:
        whole = json.loads(text)
    except ValueError:
        return [json.loads(line) for line in text.splitlines() if line.strip()]
    return whole if isinstance(whole, list) else [whole]


def _markdown(path: Path) -> list[Any]:
    fields, body = read_markdown(path)
    if fields is None:
        raise invalid(path, "there is no frontmatter between two lines of ---")
    return [{**fields, "number": fields.get("pr", fields.get("number")), "body": body}]


def _page(path: Path, name: str, record: Any, spec: SourceSpec) -> Page:
    if not isinstance(record, dict):
        raise invalid(path, "a pull request is an object")
    url = text_of(record, "html_url") or text_of(record, "url")
    found = _REPOSITORY.match(url)
    repository = found[1] if found else text_of(record, "repo") or spec.label
    number = found[2] if found else text_of(record, "number")
    title = one_line(text_of(record, "title"))
    if not number or not title:
        raise invalid(path, "a pull request needs a number and a title")
    files = record.get("files") or record.get("changed_paths") or ()
    paths = [
        str(f.get("path") or f.get("filename")) if isinstance(f, dict) else str(f) for f in files
    ]
    labels = record.get("labels") or ()
    date = next(
        (
            d
            for key in ("mergedAt", "merged_at", "date", "createdAt")
            if (d := text_of(record, key))
        ),
        "",
    )
    changed = "".join(f"\n- `{one_line(p)}`" for p in paths[:MOST_PATHS])
    body = clean(text_of(record, "body"))
    return make_page(
        path,
        {
            "id": f"pr-{slug(repository.rpartition('/')[2])}-{number}",
            "title": title,
            "type": "source-pr",
            "tags": tuple(
                one_line(str(x.get("name") if isinstance(x, dict) else x)) for x in labels
            )
            or texts_of(record, "tags"),
            "architectures": texts_of(record, "architectures"),
            "techniques": texts_of(record, "techniques"),
            "kernel_types": texts_of(record, "kernel_types"),
            "languages": texts_of(record, "languages"),
            "confidence": "source-reported",
            "sources": (Source(title=title, url=url),) if url.startswith("http") else (),
            "repository": repository,
            "date": date[:10] or None,
            "standing": "report",
            "origin": f"https://github.com/{repository}" if found else spec.label,
            "revision": text_of(record, "merge_sha"),
            "body": f"{body}\n\n## Changed files\n{changed}" if changed else body,
            "path": name,
        },
    )
