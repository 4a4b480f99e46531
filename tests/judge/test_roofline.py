"""A latency that no GPU allows is refused; every possible one is not."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sandbox.errors import AssayError
from sandbox.floor import Floor
from sandbox.judge.arena import layout
from sandbox.judge.hardware import Hardware
from sandbox.judge.roofline import impossible, moved_bytes
from sandbox.problem import load_problem
from tests.judging import write_problem

MB = 1 << 20
WHERE = layout(
    [torch.zeros(MB, dtype=torch.int8)], [torch.zeros(MB, dtype=torch.int8)], torch.device("cpu")
)
GPU = Hardware(bytes_per_s=1e12, l2_bytes=50 * MB, operations_per_s=1e15)
"""A megabyte takes 1.05 us."""
MANY = 10_000
"""Calls of a batch, of which the L2 holds a small part."""


@pytest.mark.parametrize(
    ("latency_us", "floor", "operations", "word"),
    [
        (0.9, Floor(), None, "its outputs"),
        (1.2, Floor(), None, None),
        (1.2, Floor(traffic="all"), None, "all inputs and outputs"),
        (2.2, Floor(traffic="all"), None, None),
        (0.1, Floor(traffic="nothing"), None, None),
        (5.0, Floor(traffic="nothing"), 1e10, "operations"),
        (11.0, Floor(traffic="all"), 1e10, None),
    ],
)
def test_what_each_call_must_do_bounds_its_latency(
    latency_us: float, floor: Floor, operations: float | None, word: str | None
) -> None:
    why = impossible(latency_us, WHERE, MANY, floor, operations, GPU)
    assert (why is None) == (word is None)
    assert word is None or word in (why or "")


def test_what_the_l2_holds_need_not_go_through_the_memory() -> None:
    assert impossible(0.01, WHERE, 50, Floor(traffic="all"), None, GPU) is None


@given(
    share=st.floats(0.01, 1.0),
    calls=st.integers(1, 4096),
    rate=st.floats(1e11, 1e13),
    l2=st.integers(0, 1 << 27),
)
def test_a_kernel_at_any_share_of_the_peak_is_never_refused(
    share: float, calls: int, rate: float, l2: int
) -> None:
    honest_us = moved_bytes(WHERE) / (share * rate) * 1e6 * (1 + 1e-9)
    assert (
        impossible(honest_us, WHERE, calls, Floor(traffic="all"), None, Hardware(rate, l2)) is None
    )


@given(m=st.integers(1, 1 << 14), k=st.integers(1, 1 << 14))
def test_operations_are_a_formula_of_the_axes(m: int, k: int) -> None:
    floor = Floor(operations="2 * m * (k + 1) - m // 2 + 3 / 3")
    assert floor.operations_in({"m": m, "k": k}) == 2 * m * (k + 1) - m // 2 + 1


@pytest.mark.parametrize(
    "formula",
    [
        "2 * q",
        "m ** 9",
        "m.real",
        "__import__('os')",
        "[m]",
        "m if m else 1",
        "-m",
        "2 *",
        "m // 0",
        "1 - m",
        "'m'",
    ],
)
def test_anything_else_is_refused_with_the_problem(formula: str, tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="operations"):
        Floor(operations=formula).operations_in({"m": 4})
    write_problem(tmp_path / "p")
    (tmp_path / "p/settings.json").write_text(json.dumps({"floor": {"operations": formula}}))
    with pytest.raises(AssayError, match="floor"):
        load_problem(tmp_path / "p")


def test_a_floor_is_pinned_and_its_absence_changes_no_hash(tmp_path: Path) -> None:
    plain = write_problem(tmp_path / "a")
    same = write_problem(tmp_path / "b", floor=None)
    bound = write_problem(
        tmp_path / "c", floor={"traffic": "all", "operations": "3 * rows * width"}
    )
    assert plain.sha256 == same.sha256 != bound.sha256
    assert "floor" not in json.loads((tmp_path / "a/settings.json").read_text())
