"""Inputs: fresh, repeatable from the run's secret, and telling nothing about each other."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from sandbox.judge.inputs import TRANSFORMS, ZEROS, Inputs, Oracle, _comparable
from sandbox.problem import Problem, load_problem
from tests.judging import write_problem

CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return write_problem(tmp_path_factory.mktemp("inputs") / "p")


def oracle(problem: Problem, secret: bytes = b"s" * 16, workload: int = 0) -> Oracle:
    return Oracle(problem, problem.workloads[workload], secret, CPU)


def same(one: Inputs, other: Inputs) -> bool:
    return all(torch.equal(a, b) for a, b in zip(one, other, strict=True))


def test_the_secret_makes_them_again(problem: Problem) -> None:
    first, again = oracle(problem), oracle(problem)
    for made in (first, again):
        list(made.variants())
    assert all(map(same, first.calls(20), again.calls(20)))
    assert not same(oracle(problem).fresh(), oracle(problem, b"t" * 16).fresh())


def test_no_two_sets_continue_one_stream(problem: Problem) -> None:
    """What follows in the generator after one set is not the next set: it could be worked out."""
    made = oracle(problem)
    made.fresh()
    follows = torch.randn(8, 512)
    assert not torch.equal(made.fresh()[0], follows)
    assert not torch.equal(oracle(problem).fresh()[1], oracle(problem, workload=1).fresh()[1])


def test_one_call_of_a_batch_has_property_inputs(problem: Problem) -> None:
    made = oracle(problem)
    plain = made.calls(30)
    assert all(usual(inputs) for inputs in plain)  # nobody has looked yet whether they make sense
    assert [name for name, _, _ in made.variants()] == list(TRANSFORMS)
    places = set()
    for _ in range(12):
        odd = [slot for slot, inputs in enumerate(made.calls(10)) if not usual(inputs)]
        assert len(odd) == 1
        places |= set(odd)
    assert len(places) > 3


def usual(inputs: Inputs) -> bool:
    """Whether values are like random normal ones."""
    x = inputs[0]
    return bool(0.7 < x.std() < 1.4 and x.abs().max() < 7 and x[0].abs().max() > 0)


def test_where_equal_inputs_leave_a_choice_there_are_no_zeros(tmp_path: Path) -> None:
    write_problem(tmp_path / "p")
    definition = json.loads((tmp_path / "p/definition.json").read_text())
    definition["outputs"]["y"] = {"shape": ["rows"], "dtype": "int64"}
    definition["reference"] = "def run(x, w):\n    return (x * w).argmax(-1)\n"
    (tmp_path / "p/definition.json").write_text(json.dumps(definition))
    made = oracle(load_problem(tmp_path / "p"))
    assert ZEROS not in [name for name, _, _ in made.variants()]


@given(st.sampled_from([torch.float16, torch.bfloat16, torch.float32]), st.floats(-40, 8))
def test_what_has_less_than_full_precision_is_not_compared(
    dtype: torch.dtype, power: float
) -> None:
    values = torch.randn(64, generator=torch.Generator().manual_seed(1)) * 2.0**power
    limits = torch.finfo(dtype)
    rounded = values.to(dtype)
    if _comparable([rounded], exactly_one_answer=True):
        relative = (rounded.float() - values).norm() / values.norm()
        assert relative <= limits.eps
    assert not _comparable([rounded / 0], exactly_one_answer=True)
