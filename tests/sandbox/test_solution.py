"""A solution's identity: what changes what it does changes its id, and nothing else does."""

from __future__ import annotations

import json
from typing import Any

import pytest
from flashinfer_bench.data import Solution as OfficialSolution
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import AssayError
from sandbox.solution import Solution, parse_solution

text = st.text(st.characters(exclude_characters="\0", exclude_categories=("Cs",)), max_size=40)
names = st.from_regex(r"[a-z]{1,6}(/[a-z]{1,6})?\.py", fullmatch=True)
sources = st.dictionaries(names, text, min_size=1, max_size=4)


def document(files: dict[str, str], **spec: Any) -> dict[str, Any]:
    entry = sorted(files)[0]
    return {
        "name": "n",
        "definition": "d",
        "author": "a",
        "spec": {
            "language": "python",
            "target_hardware": ["CPU"],
            "entry_point": f"{entry}::run",
            "destination_passing_style": True,
            **spec,
        },
        "sources": [{"path": path, "content": content} for path, content in files.items()],
    }


def test_where_the_official_hash_collides_ours_does_not() -> None:
    one = document({"ab.py": "cd=1", "e.py": "f"}, entry_point="ab.py::run")
    other = document({"ab.py": "cd=1", "e.py": "f"}, entry_point="ab.py::run")
    other["spec"]["destination_passing_style"] = False
    official = [OfficialSolution.model_validate(d).hash() for d in (one, other)]
    assert official[0] == official[1]
    assert len({Solution.model_validate(d).sha256 for d in (one, other)}) == 2


@settings(max_examples=80, deadline=None)
@given(sources, sources)
def test_different_sources_have_different_ids(one: dict[str, str], other: dict[str, str]) -> None:
    ids = [Solution.model_validate(document(files)).solution_id for files in (one, other)]
    assert (ids[0] == ids[1]) == (one == other)


@settings(max_examples=40, deadline=None)
@given(sources, text, text)
def test_labels_and_order_do_not_matter(files: dict[str, str], label: str, words: str) -> None:
    base = Solution.model_validate(document(files))
    relabelled = document(dict(reversed(files.items()))) | {"name": label, "description": words}
    assert Solution.model_validate(relabelled).solution_id == base.solution_id
    assert parse_solution(base.model_dump_json()).solution_id == base.solution_id


@pytest.mark.parametrize(
    "path", ["../x.py", "/etc/x.py", "a/../x.py", "a//b.py", "./x.py", "", "a\\b.py", "a\n.py"]
)
def test_paths_cannot_leave(path: str) -> None:
    body = document({"main.py": "x"})
    body["sources"].append({"path": path, "content": ""})
    with pytest.raises(AssayError) as caught:
        parse_solution(json.dumps(body))
    assert caught.value.code == "invalid_solution"


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"spec": {"language": "rust", "entry_point": "main.py::run"}}, "language"),
        ({"spec": {"language": "python", "entry_point": "main.py"}}, "entry_point"),
        ({"spec": {"language": "python", "entry_point": "other.py::run"}}, "other.py"),
        ({"sources": []}, "sources"),
        ({"speedup": 99}, "speedup"),
        ({"sources": [{"path": "main.py", "content": "x" * (1 << 21)}]}, "limited"),
    ],
)
def test_what_is_wrong_is_named(change: dict[str, Any], words: str) -> None:
    with pytest.raises(AssayError) as caught:
        parse_solution(json.dumps(document({"main.py": "x"}) | change))
    assert words in caught.value.message
    assert len(caught.value.message) < 2000


def test_garbage_is_refused() -> None:
    for garbage in ("", "{", "[]", "null", '"x"', "{}", "\x00"):
        with pytest.raises(AssayError):
            parse_solution(garbage)
