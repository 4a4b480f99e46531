"""A Git checkout: its code by symbol, a page a file, and its Markdown.

The commit, the remote's address and the licence are read from the checkout's files; Git is not run.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path

from sandbox.errors import AssayError
from wiki_index.page import Page, Source, clean, invalid, make_page, one_line
from wiki_index.sources import markdown
from wiki_index.sources.base import Skipped, SourceSpec, licence_of, revision_of
from wiki_index.sources.symbols import PYTHON, REST, SUFFIXES, symbols

MOST_CODE_BYTES = 256 << 10
"""A longer file of code was generated: unrolled variants, embedded binaries, tables."""

_HIDDEN = re.compile(r"(^|/)(\.[^/]+|node_modules|build|__pycache__)(/|$)")
_ARCHITECTURES = re.compile(r"sm_?(80|86|89|90a?|100[af]?|103[af]?|120[af]?)(?![0-9])", re.I)
_LANGUAGES = (
    ("cute-dsl", re.compile(r"^\s*(?:import|from)\s+cutlass", re.MULTILINE)),
    ("triton", re.compile(r"^\s*(?:import|from)\s+triton", re.MULTILINE)),
    ("tilelang", re.compile(r"^\s*(?:import|from)\s+tilelang", re.MULTILINE)),
)


def read(spec: SourceSpec) -> Iterator[Page | Skipped]:
    """Every file of code and of Markdown."""
    root = spec.root
    revision, origin = revision_of(root)
    shared = {"origin": origin or spec.label, "revision": revision, "licence": licence_of(root)}
    inside = root.resolve()
    files = (
        (path, path.relative_to(root).as_posix())
        for path in sorted(root.rglob("*"))
        if path.suffix in SUFFIXES and path.is_file() and path.resolve().is_relative_to(inside)
    )
    web = f"{origin}/blob/{revision}/" if origin.startswith("http") and revision else ""
    yield from code_pages(files, spec.label, shared, web)
    yield from markdown.read(spec)


def code_pages(
    files: Iterable[tuple[Path, str]], label: str, shared: dict[str, str], web: str
) -> Iterator[Page | Skipped]:
    """A page for each file of code; its sections are its symbols."""
    for path, name in files:
        if _HIDDEN.search(name):
            continue
        try:
            if path.stat().st_size > MOST_CODE_BYTES:
                raise invalid(path, "it is larger than code that people write")
            text = clean(path.read_text("utf-8"))
            if text.strip():
                yield _page(path, name, text, label, shared, web)
        except (AssayError, OSError, UnicodeDecodeError) as error:
            yield Skipped(name, str(error))


def _page(path: Path, name: str, text: str, label: str, shared: dict[str, str], web: str) -> Page:
    language = _language(path.suffix, text)
    found = {m[1].lower() for m in _ARCHITECTURES.finditer(f"{name} {text}")}
    repository = re.sub(r"^https?://[^/]+/", "", shared["origin"])
    return make_page(
        path,
        {
            "id": f"{label}/{name}",
            "title": one_line(name),
            "type": "code",
            "architectures": tuple(sorted(f"sm{number}" for number in found)),
            "confidence": "source",
            "sources": (Source(title=name, url=f"{web}{name}"),) if web else (),
            "languages": (language,),
            "repository": repository,
            "standing": "code",
            **shared,
            "body": _as_markdown(text, path.suffix),
            "path": name,
        },
    )


def _as_markdown(text: str, suffix: str) -> str:
    """A heading for each symbol, and its code in a fence that the code cannot end."""
    fence = "~" * (3 + max((len(run) for run in re.findall(r"~+", text)), default=0))
    times: dict[str, int] = defaultdict(int)
    parts: list[str] = []
    for symbol in symbols(text, suffix):
        times[symbol.name] += 1
        count = f" ({times[symbol.name]})" if times[symbol.name] > 1 and symbol.name != REST else ""
        parts.append(
            f"## {symbol.name}{count}\n\nLine {symbol.line}\n\n{fence}\n{symbol.text}\n{fence}"
        )
    return "\n\n".join(parts)


def _language(suffix: str, text: str) -> str:
    if suffix in PYTHON:
        return next((name for name, sign in _LANGUAGES if sign.search(text)), "python")
    return "ptx" if suffix == ".ptx" else "cuda-cpp"
