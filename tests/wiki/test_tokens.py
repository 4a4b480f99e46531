"""Tokens: identifiers whole and in parts, the same for query and text."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from wiki_index.tokens import tokens


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tcgen05.mma", {"tcgen05.mma", "tcgen05", "mma"}),
        ("cta_group::2", {"cta_group.2", "cta_group", "cta", "group", "2"}),
        (
            "cp.async.bulk.tensor",
            {"cp.async.bulk.tensor", "cp.async", "async.bulk", "bulk.tensor", "cp", "tensor"},
        ),
        ("__launch_bounds__", {"launch_bounds", "launch"}),
        ("PersistentTileScheduler", {"persistenttileschedul", "persistent", "tile"}),
        ("smem_desc", {"smem_desc", "smem", "desc"}),
    ],
)
def test_identifiers(text: str, expected: set[str]) -> None:
    found = set(tokens(text))
    missing = {e for e in expected if not any(f == e or f.startswith(e) for f in found)}
    assert not missing, found


@pytest.mark.parametrize(
    ("one", "other"),
    [("spills", "spilling"), ("bank conflicts", "bank conflict"), ("loads", "load")],
)
def test_word_forms_meet(one: str, other: str) -> None:
    assert set(tokens(one)) & set(tokens(other)) == set(tokens(one))


@settings(max_examples=100, deadline=None)
@given(st.text(max_size=200))
def test_any_text_gives_plain_tokens(text: str) -> None:
    for token in tokens(text):
        assert token
        assert not any(c.isspace() for c in token)
        assert token == token.lower()


@settings(max_examples=60, deadline=None)
@given(st.from_regex(r"[a-z][a-z0-9_]{2,12}(\.[a-z][a-z0-9_]{1,8}){0,3}", fullmatch=True))
def test_an_identifier_finds_itself_in_a_sentence(name: str) -> None:
    whole = set(tokens(name))
    assert whole <= set(tokens(f"Use {name}, and then (see {name}) wait."))
