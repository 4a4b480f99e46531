"""The comparator: one wrong output a row, and what accepts it."""

from __future__ import annotations

from collections.abc import Callable

import pytest
import torch
from flashinfer_bench.bench.config import BenchmarkConfig
from flashinfer_bench.bench.utils import compute_error_stats
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.judge.rules import check
from sandbox.problem import Rules, Settings

TIGHT = Settings(relative_l2=1e-4, cap=1e-3)
Change = Callable[[torch.Tensor], torch.Tensor]


def reference() -> torch.Tensor:
    return torch.randn(64, 256, generator=torch.Generator().manual_seed(1))


def put(index: tuple[int, ...], value: float) -> Change:
    def change(x: torch.Tensor) -> torch.Tensor:
        x = x.clone()
        x[index] = value
        return x

    return change


def last_row_zero(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x[-1] = 0
    return x


def garbage(x: torch.Tensor) -> torch.Tensor:
    x = x.clone()
    x.view(-1)[::200] = 1e6
    return x


WRONG: dict[str, tuple[Change, str]] = {
    "all zeros": (torch.zeros_like, "error_cap"),
    "all NaN": (lambda x: x * float("nan"), "finite"),
    "one NaN": (put((3, 3), float("nan")), "finite"),
    "one Inf": (put((3, 3), float("inf")), "finite"),
    "half a percent is 1e6": (garbage, "error_cap"),
    "one element is 1e9": (put((3, 3), 1e9), "error_cap"),
    "last row left zero": (last_row_zero, "error_cap"),
    "computed in half precision": (lambda x: x.half().float(), "scale_aware"),
    "computed in bfloat16": (lambda x: x.bfloat16().float(), "error_cap"),
    "half precision returned": (lambda x: x.half(), "shape_dtype"),
    "a broadcastable shape": (lambda x: x[:1], "shape_dtype"),
    "one percent too large": (lambda x: x * 1.01, "error_cap"),
    "everything shifted": (lambda x: x.roll(1, 0), "error_cap"),
}


def test_the_right_output_is_accepted() -> None:
    assert check([reference()], [reference()], ["y"], TIGHT) is None


@pytest.mark.parametrize("name", sorted(WRONG))
def test_wrong_outputs_are_refused_by_name(name: str) -> None:
    change, rule = WRONG[name]
    # half precision is at the edge of float32 tolerances: only a tight bound refuses it
    tight = TIGHT if name != "computed in half precision" else Settings(relative_l2=1e-5, cap=1e-3)
    violation = check([change(reference())], [reference()], ["y"], tight)
    assert violation is not None, name
    assert violation.rule == rule, violation


def test_zeros_never_pass_for_a_small_output() -> None:
    small = reference() * 1e-4
    config = BenchmarkConfig()
    _, _, official_refuses, _ = compute_error_stats(torch.zeros_like(small), small, config)
    assert not official_refuses  # what the official tolerance does
    assert check([torch.zeros_like(small)], [small], ["y"], TIGHT) is not None


def test_integers_are_exact() -> None:
    expected = torch.full((8,), 1000, dtype=torch.int32)
    _, _, official_refuses, _ = compute_error_stats(expected + 5, expected, BenchmarkConfig())
    assert not official_refuses
    violation = check([expected + 5], [expected], ["i"], TIGHT)
    assert violation is not None
    assert violation.rule == "integer_exact"


@pytest.mark.parametrize("value", [float("nan"), float("inf"), float("-inf")])
def test_a_poisoned_reference_is_no_wildcard(value: float) -> None:
    expected = put((0, 0), value)(reference())
    assert check([expected.clone()], [expected], ["y"], TIGHT) is None
    violation = check([reference()], [expected], ["y"], TIGHT)
    assert violation is not None
    assert violation.rule == "mask_match"


def test_float8_outputs_are_compared() -> None:
    expected = reference().to(torch.float8_e4m3fn)
    assert check([expected], [expected], ["y"], TIGHT) is None
    wrong = torch.zeros_like(expected.float()).to(torch.float8_e4m3fn)
    assert check([wrong], [expected], ["y"], TIGHT) is not None


def test_a_rule_can_be_off_where_the_problem_says_so() -> None:
    loose = Settings(relative_l2=1e9, rules=Rules(error_cap=False))
    assert check([reference() * 1.01], [reference()], ["y"], loose) is None


def test_empty_outputs_must_be_empty() -> None:
    empty = torch.empty(0, 4)
    assert check([empty], [empty], ["y"], TIGHT) is None
    assert check([torch.empty(0, 5)], [empty], ["y"], TIGHT) is not None


@settings(max_examples=60, deadline=None)
@given(
    row=st.integers(0, 63),
    column=st.integers(0, 255),
    factor=st.floats(1.2, 1e6) | st.floats(-1e6, 0.8),
)
def test_any_single_element_that_is_clearly_off_is_noticed(
    row: int, column: int, factor: float
) -> None:
    expected = reference()
    expected[row, column] = 1.0
    wrong = put((row, column), factor)(expected)
    assert check([wrong], [expected], ["y"], TIGHT) is not None


@settings(max_examples=40, deadline=None)
@given(scale=st.floats(1e-6, 1e6), noise=st.floats(0, 2e-7))
def test_rounding_is_never_held_against_anyone(scale: float, noise: float) -> None:
    expected = reference() * scale
    rounded = expected * (1 + noise * torch.randn_like(expected))
    assert check([rounded], [expected], ["y"], TIGHT) is None
