"""A KernelWiki-format tree: `wiki/` (six types of page) and `sources/` (changes, documents, blogs,
contests).

Such a tree is large and others write it: a page that cannot be read is reported and left out, and a
field that is missing or of another type is taken as empty. Only an id and a title must be there.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from wiki_index.page import (
    CONFIDENCES,
    Claim,
    Page,
    Source,
    Standing,
    invalid,
    make_page,
    markdown_files,
    read_markdown,
)
from wiki_index.sources.base import MOST_BYTES, Skipped, SourceSpec, licence_of, revision_of
from wiki_index.sources.markdown import text_of, texts_of

_TYPES = {
    "hw": "hardware",
    "technique": "technique",
    "kernel": "kernel",
    "pattern": "pattern",
    "lang": "language",
    "migration": "migration",
    "pr": "source-pr",
    "doc": "source-doc",
    "blog": "source-blog",
    "contest": "source-contest",
}
"""The type of a page by the start of its id; source pages do not say it."""


def read(spec: SourceSpec) -> Iterator[Page | Skipped]:
    """Every page of the tree."""
    root = spec.root
    revision, origin = revision_of(root)
    shared = {"origin": origin or spec.label, "revision": revision, "licence": licence_of(root)}
    found: list[tuple[Path, dict[str, Any], str]] = []
    for folder in ("wiki", "sources"):
        for path in markdown_files(root / folder) if (root / folder).is_dir() else ():
            try:
                if path.stat().st_size > MOST_BYTES:
                    raise invalid(path, "it is too large")
                fields, body = read_markdown(path)
                if fields is None or not text_of(fields, "id"):
                    raise invalid(path, "it has no id in its frontmatter")
                found.append((path, fields, body))
            except (AssayError, OSError) as error:
                yield Skipped(path.relative_to(root).as_posix(), str(error))
    cited = {
        text_of(fields, "id"): Source(
            title=text_of(fields, "title") or text_of(fields, "id"), url=text_of(fields, "url")
        )
        for _, fields, _ in found
    }
    for path, fields, body in found:
        name = path.relative_to(root).as_posix()
        try:
            yield make_page(path, {**_fields(fields, cited), **shared, "body": body, "path": name})
        except AssayError as error:
            yield Skipped(name, str(error))


def _fields(fields: dict[str, Any], cited: dict[str, Source]) -> dict[str, Any]:
    page_id = text_of(fields, "id")
    kind = _TYPES.get(page_id.partition("-")[0], "note")
    if not kind.startswith("source-"):
        kind = text_of(fields, "type").removeprefix("wiki-") or kind
    own_url = text_of(fields, "url")
    named = texts_of(fields, "sources")
    sources = [cited[name] for name in named if name in cited and cited[name].url]
    if own_url:
        sources.insert(0, Source(title=text_of(fields, "title") or page_id, url=own_url))
    confidence = text_of(fields, "confidence")
    dates = (text_of(fields, name) for name in ("date", "updated", "retrieved_at", "captured_at"))
    return {
        "id": page_id,
        "title": text_of(fields, "title"),
        "type": kind,
        "architectures": texts_of(fields, "architectures"),
        "tags": tuple(
            dict.fromkeys((*texts_of(fields, "tags"), *texts_of(fields, "hardware_features")))
        ),
        "confidence": confidence if confidence in CONFIDENCES else "unknown",
        "sources": tuple(sources),
        "evidence": tuple(name for name in named if name in cited),
        "related": (*texts_of(fields, "related"), *texts_of(fields, "prerequisites")),
        "aliases": texts_of(fields, "aliases"),
        "symptoms": texts_of(fields, "symptoms"),
        "candidate_techniques": texts_of(fields, "candidate_techniques"),
        "techniques": texts_of(fields, "techniques"),
        "kernel_types": texts_of(fields, "kernel_types"),
        "languages": texts_of(fields, "languages"),
        "repository": text_of(fields, "repo"),
        "date": next((date[:10] for date in dates if date), None),
        "claims": tuple(_claims(fields.get("performance_claims"))),
        "standing": _standing(kind),
    }


def _standing(kind: str) -> Standing:
    if kind == "source-pr":
        return "report"
    return "reference" if kind.startswith("source-") or kind == "note" else "curated"


def _claims(raw: Any) -> Iterator[Claim]:
    """The performance claims that are complete and whose value is a number."""
    for item in raw if isinstance(raw, list) else ():
        if not isinstance(item, dict):
            continue
        parts = {name: text_of(item, name) for name in ("gpu", "dtype", "shape", "metric")}
        try:
            value = float(text_of(item, "value"))
        except ValueError:
            continue
        if all(parts.values()):
            yield Claim(**parts, value=value)
