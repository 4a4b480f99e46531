"""Pages: Markdown with YAML frontmatter, cut into sections at headings.

A page is data. Nothing in it is executed or obeyed; control characters are removed on the way in.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import AssayError
from wiki_index.passages import defused

TYPES = (
    "hardware",
    "technique",
    "kernel",
    "pattern",
    "language",
    "migration",
    "tool",
    "measurement",
    "reward-hack",
)
CONFIDENCES = ("verified", "source-reported", "inferred", "experimental")
SECTION_CHARS = 2400

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)
_HEADING = re.compile(r"(#{1,4})[ \t]+(\S.*)")
_FENCE = re.compile(r"^\s*(```|~~~)")


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Model):
    """Where a statement comes from."""

    title: str
    url: str


class Section(_Model):
    """A piece of a page below one heading."""

    heading: str
    text: str


class Page(_Model):
    """One page."""

    id: str
    title: str
    type: str
    architectures: tuple[str, ...] = ()
    tags: tuple[str, ...] = ()
    confidence: str
    sources: tuple[Source, ...]
    related: tuple[str, ...] = ()
    aliases: tuple[str, ...] = ()
    symptoms: tuple[str, ...] = ()
    candidate_techniques: tuple[str, ...] = ()
    date: str | None = None
    body: str = Field(default="", repr=False)
    path: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def sections(self) -> tuple[Section, ...]:
        """The body cut at headings; long sections are cut again between blocks."""
        return tuple(
            Section(heading=heading, text=piece)
            for heading, text in _by_heading(self.body)
            for piece in _pieces(text)
            if piece.strip()
        )


def read_page(path: Path, root: Path) -> Page:
    """Read one page file.

    Raises:
        AssayError: `invalid_page`, naming the file and the field.
    """
    try:
        text = clean(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise _invalid(path, f"cannot be read: {error}") from error
    front, body = split_frontmatter(text)
    if front is None:
        raise _invalid(path, "there is no frontmatter between two lines of ---")
    import yaml  # where pages are read, and not where a server starts

    try:
        fields: Any = _cleaned(yaml.safe_load(front))
    except yaml.YAMLError as error:
        raise _invalid(path, f"its frontmatter is not YAML: {str(error)[:300]}") from error
    if not isinstance(fields, dict):
        raise _invalid(path, "its frontmatter is not a mapping")
    if fields.get("date") is not None:
        fields["date"] = str(fields["date"])
    try:
        return Page.model_validate(
            {**fields, "body": body, "path": path.relative_to(root).as_posix()}
        )
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise _invalid(path, f"{where}: {first['msg']}") from error


def read_pages(root: Path) -> Iterator[Page]:
    """Every page below a directory, in order of path. Links out of it are not followed."""
    for path in sorted(root.rglob("*.md")):
        if path.resolve().is_relative_to(root.resolve()):
            yield read_page(path, root)


def split_frontmatter(text: str) -> tuple[str | None, str]:
    """The YAML between the first two `---` lines, and the rest."""
    if not text.startswith("---\n"):
        return None, text
    front, separator, body = text[4:].partition("\n---\n")
    return (front, body) if separator else (None, text)


def clean(text: str) -> str:
    """Without ANSI escapes, invisible and control characters, but newlines and tabs."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def _cleaned(value: Any) -> Any:
    """Frontmatter on one line a field, cleaned once more: YAML has escapes of its own."""
    if isinstance(value, str):
        return defused(" ".join(clean(value).split()))
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return value


def _by_heading(body: str) -> Iterator[tuple[str, str]]:
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in body.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        match = None if fenced else _HEADING.fullmatch(line.rstrip(" \t"))
        if match is None:
            lines.append(line)
            continue
        yield " > ".join(title for _, title in path), "\n".join(lines).strip()
        lines = []
        level = len(match[1])
        path = [(depth, title) for depth, title in path if depth < level]
        path.append((level, match[2].rstrip("#").rstrip() or match[2]))
    yield " > ".join(title for _, title in path), "\n".join(lines).strip()


def _pieces(text: str) -> Iterator[str]:
    """Blocks between blank lines, packed up to the size; a fence or a table stays whole."""
    piece = ""
    for block in _blocks(text):
        if piece and len(piece) + len(block) > SECTION_CHARS:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{block}" if piece else block
    yield piece


def _blocks(text: str) -> Iterator[str]:
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        if line.strip() or fenced:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)


def _invalid(path: Path, why: str) -> AssayError:
    return AssayError("invalid_page", f"{path.name}: {why}.", "See docs/wiki.md for the format.")
