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

TIGHT = Settings()
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
    violation = check([change(reference())], [reference()], ["y"], TIGHT)
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


# What honest kernels may do to an output of a type, and what is low precision for it.

DTYPES = {"float32": torch.float32, "float16": torch.float16, "bfloat16": torch.bfloat16}


def normal(*shape: int, dtype: torch.dtype) -> torch.Tensor:
    return torch.randn(*shape, generator=torch.Generator().manual_seed(5)).to(dtype)


def product(dtype: torch.dtype, step: int, kept: torch.dtype, inside: torch.dtype) -> torch.Tensor:
    """A matrix product over 2048 in steps, the sum kept in one type, the factors in another."""
    a, b = normal(64, 2048, dtype=dtype), normal(2048, 256, dtype=dtype)
    total = torch.zeros(64, 256, dtype=kept)
    for k in range(0, 2048, step):
        x, y = a[:, k : k + step].to(inside).float(), b[k : k + step].to(inside).float()
        total = (total.float() + x @ y).to(kept)
    return total.to(dtype)


def whole(dtype: torch.dtype) -> torch.Tensor:
    return product(dtype, 2048, torch.float32, dtype)


def attention(dtype: torch.dtype, weights: torch.dtype) -> torch.Tensor:
    """Over 512 keys; the weights in a type before they meet the values, as fused kernels have them."""
    q, k, v = (normal(8, 512, 64, dtype=dtype).roll(n, 1) for n in range(3))
    scores = q.float() @ k.float().transpose(1, 2) / 8
    grown = torch.exp(scores - scores.amax(-1, keepdim=True))
    return ((grown.to(weights).float() @ v.float()) / grown.sum(-1, keepdim=True)).to(dtype)


def norm(dtype: torch.dtype, between: torch.dtype) -> torch.Tensor:
    """RMS norm over 4096, rounded to a type before the weight is applied."""
    x, w = normal(64, 4096, dtype=dtype), normal(4096, dtype=dtype)
    scale = torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6)
    return ((x.float() * scale).to(between).float() * w.float()).to(dtype)


def activation(dtype: torch.dtype, between: torch.dtype) -> torch.Tensor:
    gate, up = normal(64, 8192, dtype=dtype).chunk(2, -1)
    return (torch.nn.functional.silu(gate.to(between)).float() * up.float()).to(dtype)


@pytest.mark.parametrize("name", DTYPES)
def test_honest_roundings_are_accepted(name: str) -> None:
    dtype = DTYPES[name]
    pairs = {
        "another order of summation": (product(dtype, 64, torch.float32, dtype), whole(dtype)),
        "weights in the type": (attention(dtype, dtype), attention(dtype, torch.float32)),
        "rounded before the weight": (norm(dtype, dtype), norm(dtype, torch.float32)),
        "activation in the type": (activation(dtype, dtype), activation(dtype, torch.float32)),
    }
    for what, (output, expected) in pairs.items():
        assert check([output], [expected], ["y"], Settings()) is None, what


@pytest.mark.parametrize(
    ("name", "kept", "inside"),
    [
        ("float32", torch.float32, torch.float16),
        ("float32", torch.float32, torch.bfloat16),
        ("float32", torch.float16, torch.float32),
        ("float16", torch.float16, torch.float16),
        ("float16", torch.float32, torch.bfloat16),
        ("float16", torch.float32, torch.float8_e4m3fn),
        ("bfloat16", torch.bfloat16, torch.bfloat16),
        ("bfloat16", torch.float32, torch.float8_e4m3fn),
    ],
)
def test_low_precision_is_refused_unless_the_problem_allows_it(
    name: str, kept: torch.dtype, inside: torch.dtype
) -> None:
    dtype = DTYPES[name]
    output, expected = product(dtype, 64, kept, inside), whole(dtype)
    violation = check([output], [expected], ["y"], Settings())
    assert violation is not None
    assert violation.rule in ("scale_aware", "error_cap")
    allowed = Settings(relative_l2=0.1, cap=0.5)
    assert check([output], [expected], ["y"], allowed) is None


def test_tensor_float_32_is_refused_for_float32() -> None:
    def rounded(t: torch.Tensor) -> torch.Tensor:
        return (t.view(torch.int32) & ~0x1FFF).view(torch.float32)

    a, b = normal(64, 2048, dtype=torch.float32), normal(2048, 256, dtype=torch.float32)
    assert check([rounded(a) @ rounded(b)], [a @ b], ["y"], Settings()) is not None
    coarse_a, coarse_b = a.bfloat16().float(), b.bfloat16().float()
    rest_a, rest_b = (a - coarse_a).bfloat16().float(), (b - coarse_b).bfloat16().float()
    three = coarse_a @ coarse_b + rest_a @ coarse_b + coarse_a @ rest_b
    assert check([three], [a @ b], ["y"], Settings()) is None


@pytest.mark.parametrize("dtype", [torch.float8_e4m3fn, torch.float8_e5m2])
def test_a_flip_of_the_last_bit_of_float8_is_accepted(dtype: torch.dtype) -> None:
    exact = normal(64, 4096, dtype=torch.float32)
    flipped = exact.bfloat16().to(dtype)
    assert not torch.equal(flipped.float(), exact.to(dtype).float())
    assert check([flipped], [exact.to(dtype)], ["y"], Settings()) is None
    wrong = (exact * 1.1).to(dtype)
    assert check([wrong], [exact.to(dtype)], ["y"], Settings()) is not None
