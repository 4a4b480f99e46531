"""What the index answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from wiki_index.page import Source


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BuildReport(_Model):
    """What a build did."""

    pages: int
    sections: int
    changed: int = Field(description="Pages that were new or had changed.")
    removed: int
    withheld: int = Field(description="Pages that the deny-list kept out.")
    seconds: float


class Hit(_Model):
    """A page that answers, with its best section."""

    page_id: str
    path: str
    title: str
    type: str
    heading: str
    snippet: str
    score: float
    confidence: str
    date: str | None
    sources: tuple[Source, ...]
    related: tuple[str, ...]


class SearchAnswer(_Model):
    """Ranked hits; an empty list comes with a note that says what to try."""

    hits: tuple[Hit, ...]
    note: str = ""


class PageText(_Model):
    """The text of a page or a section, inside a marked block."""

    page_id: str
    title: str
    type: str
    confidence: str
    date: str | None
    sources: tuple[Source, ...]
    related: tuple[str, ...]
    sections: tuple[str, ...]
    section: str | None
    text: str
    truncated: bool
