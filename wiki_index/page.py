"""Pages: what every source is turned into before it is indexed.

A page is data. Nothing in it is executed or obeyed; control characters are removed on the way in.
This module also knows the format of the pages that come with the project: Markdown with YAML
frontmatter, described in docs/wiki.md.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import AssayError
from wiki_index.cutting import CODE_CHARS, PASSAGE_CHARS, Section, passages, sections
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

Standing = Literal["curated", "reference", "report", "code"]
"""What a page is, for ranking: written as knowledge; a document or an article; a change or a record
of work; source code."""

_CONTROL = re.compile(
    r"\x1b\[[0-9;?]*[ -/]*[@-~]|[\x00-\x08\x0b-\x1f\x7f-\x9f]"
    r"|[\u200b-\u200f\u2028-\u202e\u2060-\u2069\ufeff\U000e0000-\U000e007f]"
)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Source(_Model):
    """Where a statement comes from."""

    title: str
    url: str


class Claim(_Model):
    """A measured figure that a page states, with what it was measured on."""

    gpu: str
    dtype: str
    shape: str
    metric: str
    value: float


class Page(_Model):
    """One page."""

    id: str = Field(min_length=1, max_length=300)
    title: str = Field(min_length=1)
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
    techniques: tuple[str, ...] = ()
    kernel_types: tuple[str, ...] = ()
    languages: tuple[str, ...] = ()
    repository: str = ""
    claims: tuple[Claim, ...] = ()
    evidence: tuple[str, ...] = Field(default=(), description="Ids of pages that it rests on.")
    standing: Standing = "curated"
    origin: str = Field(default="", description="Where the source was read from: a URL or a name.")
    revision: str = Field(default="", description="Commit or version of the source.")
    licence: str = ""
    body: str = Field(default="", repr=False)
    path: str = ""

    @property
    def sha256(self) -> str:
        return hashlib.sha256(self.model_dump_json().encode()).hexdigest()

    def sections(self) -> tuple[Section, ...]:
        """The body cut at headings, for reading."""
        return tuple(sections(self.body))

    def passages(self) -> tuple[Section, ...]:
        """The body in units of the index; a page without text has its title as the only one."""
        size = CODE_CHARS if self.standing == "code" else PASSAGE_CHARS
        return tuple(passages(self.body, size)) or (Section("", self.title),)

    @property
    def own_url(self) -> tuple[str, ...]:
        """Where the page itself stands, if it is a copy of something: its first source."""
        copied = self.standing != "curated"
        return tuple(source.url for source in self.sources[:1] if copied and source.url)

    @property
    def links(self) -> tuple[str, ...]:
        """Every page that this one points at."""
        return tuple(dict.fromkeys((*self.related, *self.candidate_techniques, *self.evidence)))


def read_page(path: Path, root: Path) -> Page:
    """Read one page file of the project's own format.

    Raises:
        AssayError: `invalid_page`, naming the file and the field.
    """
    fields, body = read_markdown(path)
    if fields is None:
        raise invalid(path, "there is no frontmatter between two lines of ---")
    if fields.get("date") is not None:
        fields["date"] = str(fields["date"])
    return make_page(path, {**fields, "body": body, "path": path.relative_to(root).as_posix()})


def read_markdown(path: Path) -> tuple[dict[str, Any] | None, str]:
    """The cleaned frontmatter of a Markdown file, if it has one, and its body.

    Raises:
        AssayError: `invalid_page`.
    """
    try:
        text = clean(path.read_text("utf-8"))
    except (OSError, UnicodeDecodeError) as error:
        raise invalid(path, f"cannot be read: {error}") from error
    front, body = split_frontmatter(text)
    if front is None:
        return None, text
    import yaml  # where pages are read, and not where a server starts

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    try:
        fields: Any = _cleaned(yaml.load(front, Loader=loader))  # noqa: S506 a safe one
    except (yaml.YAMLError, ValueError, RecursionError) as error:
        raise invalid(path, f"its frontmatter is not YAML: {str(error)[:300]}") from error
    if not isinstance(fields, dict):
        raise invalid(path, "its frontmatter is not a mapping")
    return fields, body


def make_page(path: Path, fields: dict[str, Any]) -> Page:
    """A page from its fields.

    Raises:
        AssayError: `invalid_page`, naming the file and the field.
    """
    try:
        return Page.model_validate(fields)
    except ValidationError as error:
        first = error.errors(include_url=False, include_input=False)[0]
        where = ".".join(str(part) for part in first["loc"])
        raise invalid(path, f"{where}: {first['msg']}") from error


def markdown_files(root: Path, pattern: str = "*.md") -> Iterator[Path]:
    """The files below a directory, in order of path. Links out of it are not followed."""
    inside = root.resolve()
    for path in sorted(root.rglob(pattern)):
        if path.is_file() and path.resolve().is_relative_to(inside):
            yield path


def split_frontmatter(text: str) -> tuple[str | None, str]:
    """The YAML between the first two `---` lines, and the rest."""
    if not text.startswith("---\n"):
        return None, text
    front, separator, body = text[4:].partition("\n---\n")
    return (front, body) if separator else (None, text)


def clean(text: str) -> str:
    """Without ANSI escapes, invisible and control characters, but newlines and tabs."""
    return _CONTROL.sub("", text.replace("\r\n", "\n"))


def one_line(text: str) -> str:
    """A field of a page: cleaned, on one line, and unable to end a marked block."""
    return defused(" ".join(clean(text).split()))


def invalid(path: Path, why: str) -> AssayError:
    """The error of a page that cannot be indexed."""
    return AssayError("invalid_page", f"{path.name}: {why}.", "See docs/wiki.md for the format.")


def _cleaned(value: Any) -> Any:
    """Frontmatter on one line a field, cleaned once more: YAML has escapes of its own."""
    if isinstance(value, str):
        return one_line(value)
    if isinstance(value, list):
        return [_cleaned(item) for item in value]
    if isinstance(value, dict):
        return {_cleaned(key): _cleaned(item) for key, item in value.items()}
    return value
