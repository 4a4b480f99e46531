"""What the index answers."""

from __future__ import annotations

from pydantic import BaseModel, ConfigDict, Field

from wiki_index.page import Source


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Problem(_Model):
    """A page that was left out, and why."""

    path: str
    reason: str


class BuildReport(_Model):
    """What a build did."""

    version: str
    pages: int
    sections: int = Field(description="Passages: the units that are ranked.")
    changed: int = Field(description="Pages that were new or had changed.")
    removed: int
    withheld: int = Field(description="Pages that the deny-list kept out.")
    skipped: int = Field(description="Files that could not be read as pages.")
    problems: tuple[Problem, ...] = Field(description="The first of those, with the reasons.")
    seconds: float


class IndexVersion(_Model):
    """A snapshot that can be searched, or pointed at again."""

    version: str
    current: bool
    pages: int
    passages: int
    model: str
    size_bytes: int


class IndexStats(_Model):
    """What the index holds."""

    version: str
    pages: int
    passages: int
    terms: int
    withheld: int
    by_type: dict[str, int]
    by_origin: dict[str, int]
    size_bytes: int
    versions: tuple[IndexVersion, ...]


class Filters(_Model):
    """What a page must have to be shown; None asks for nothing."""

    type: str | None = None
    architecture: str | None = None
    tag: str | None = None
    technique: str | None = None
    kernel_type: str | None = None
    language: str | None = None
    repository: str | None = None
    symptom: str | None = None
    since: str | None = None

    @property
    def any(self) -> bool:
        return any(value is not None for value in self.model_dump().values())


class Conflict(_Model):
    """Two pages that give different figures for the same quantity."""

    quantity: str
    here: str
    there: str
    other_page: str


class Hit(_Model):
    """A page that answers, with its best passage."""

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
    repository: str
    origin: str
    revision: str
    licence: str
    conflicts: tuple[Conflict, ...]


class Linked(_Model):
    """A page that another one points at, and how."""

    page_id: str
    title: str
    type: str
    confidence: str
    via: str = Field(description="The page that points at it.")


class Trail(_Model):
    """From a symptom to what may be done about it, and what that rests on."""

    pattern: Linked | None
    techniques: tuple[Linked, ...]
    evidence: tuple[Linked, ...]


class SearchAnswer(_Model):
    """Ranked hits; an empty list comes with a note that says what to try."""

    hits: tuple[Hit, ...]
    note: str = ""
    trails: tuple[Trail, ...] = ()
    index_version: str = ""


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
    origin: str
    revision: str
    licence: str
    index_version: str
    text: str
    truncated: bool
