"""The wiki of a state directory: which sources it is made of, and building it."""

from __future__ import annotations

from collections.abc import Sequence

from server.lessons import write_lessons
from server.setup import PAGES
from server.state import State
from wiki_index.catalog import Catalogue
from wiki_index.models import BuildReport
from wiki_index.sources.base import SourceSpec
from wiki_index.worker import Progress, WikiClient


def catalogue(state: State) -> Catalogue:
    """The sources that the operator added."""
    return Catalogue(state.wiki)


def build_wiki(
    state: State, deny: Sequence[str], on_progress: Progress | None = None
) -> BuildReport:
    """Index the shipped pages, this server's own lessons and every source that was added.

    Raises:
        AssayError: `missing_source` if one is gone, and what `WikiIndex.build` raises.
    """
    lessons = state.wiki / "lessons"
    write_lessons(state, lessons)
    sources = [
        SourceSpec(kind="pages", location=str(PAGES)),
        SourceSpec(kind="lessons", location=str(lessons)),
        *catalogue(state).all(),
    ]
    with WikiClient(state.wiki) as client:
        return client.build(sources, deny, on_progress)
