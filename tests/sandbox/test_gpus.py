"""Which GPUs there are: what CUDA_VISIBLE_DEVICES leaves. No GPU is needed for that."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.gpu import visible

UUIDS = ("GPU-aa", "GPU-ab", "GPU-b")


@pytest.mark.parametrize(
    ("wanted", "left"),
    [
        (None, UUIDS),
        ("", ()),
        ("0", ("GPU-aa",)),
        ("2, 0", ("GPU-b", "GPU-aa")),
        ("0,7,1", ("GPU-aa",)),
        ("1,1,0", ()),
        ("-1", ()),
        ("GPU-b,0", ("GPU-b", "GPU-aa")),
        ("GPU-a", ()),
        ("b", ()),
    ],
)
def test_what_is_visible(wanted: str | None, left: tuple[str, ...]) -> None:
    assert tuple(visible(UUIDS, wanted)) == left


@given(st.text(alphabet="0123-,GPUab ") | st.text())
def test_nothing_is_visible_that_is_not_there(wanted: str) -> None:
    found = visible(UUIDS, wanted)
    assert set(found) <= set(UUIDS)
    assert len(set(found)) == len(found)
