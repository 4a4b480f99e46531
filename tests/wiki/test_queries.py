"""The graded queries over the starter pages: well formed, and about pages that exist.

A paraphrase must not share its words with the pages that answer it, or it measures something else.
"""

from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Literal

import pytest
from pydantic import BaseModel, ConfigDict

from wiki_index.page import Page, markdown_files, read_page

ROOT = Path(__file__).parents[2]
STARTER = ROOT / "benchmarks" / "queries" / "starter.jsonl"
KINDS = ("identifier", "symptom", "task", "paraphrase")
EACH_KIND = 15
SHARED_WORDS = 0.2
_PLAIN = re.compile(r"a|an|and|are|as|be|by|do|for|in|is|it|its|no|not|of|on|or|so|that|the|to")


class Query(BaseModel):
    """One line of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    id: str
    kind: Literal["identifier", "symptom", "task", "paraphrase"]
    query: str
    relevant: dict[str, Literal[1, 2]]


@pytest.fixture(scope="module")
def queries() -> list[Query]:
    return [Query.model_validate(json.loads(line)) for line in STARTER.read_text().splitlines()]


@pytest.fixture(scope="module")
def pages() -> dict[str, Page]:
    root = ROOT / "wiki_index" / "pages"
    return {page.id: page for page in (read_page(path, root) for path in markdown_files(root))}


def test_each_query_is_asked_once_and_each_kind_often(queries: list[Query]) -> None:
    assert max(Counter(query.id for query in queries).values()) == 1
    assert max(Counter(query.query.casefold() for query in queries).values()) == 1
    counts: Counter[str] = Counter(query.kind for query in queries)
    assert all(counts[kind] >= EACH_KIND for kind in KINDS), counts


def test_judgements_name_pages_and_at_least_one_answers(
    queries: list[Query], pages: dict[str, Page]
) -> None:
    for query in queries:
        assert not set(query.relevant) - set(pages), query.id
        assert 2 in query.relevant.values(), query.id


def test_a_paraphrase_uses_other_words_than_the_pages_that_answer_it(
    queries: list[Query], pages: dict[str, Page]
) -> None:
    for query in queries:
        if query.kind != "paraphrase":
            continue
        asked = _words(query.query)
        for page in (pages[id_] for id_, grade in query.relevant.items() if grade == 2):
            names = _words(" ".join((page.title, *page.tags, *page.aliases)))
            assert len(asked & names) <= SHARED_WORDS * len(asked), (query.id, page.id)


def _words(text: str) -> frozenset[str]:
    words = re.findall(r"[a-z0-9]+", text.lower())
    return frozenset(word for word in words if not _PLAIN.fullmatch(word))
