"""The shipped problems: in flashinfer-bench's own eyes, and each solution is what it says."""

from __future__ import annotations

import json
import runpy
from pathlib import Path

import pytest
import torch
from flashinfer_bench.bench.utils import gen_inputs, load_safetensors
from flashinfer_bench.data import Definition, Solution, Workload

from sandbox.box import open_sandbox
from sandbox.build import compile_solution
from sandbox.dataset import check_blobs
from sandbox.judge.rules import check
from sandbox.problem import Problem, load_problem
from sandbox.solution import parse_solution

ROOT = Path(__file__).resolve().parents[2] / "kernels"
PROBLEMS = sorted(path.parent.name for path in ROOT.glob("*/definition.json"))
PYTHON = sorted(
    f"{path.parent.parent.name}/{path.stem}"
    for path in ROOT.glob("*/solutions/*.json")
    if json.loads(path.read_text())["spec"]["language"] == "python"
)


def load(name: str) -> Problem:
    return load_problem(ROOT / name)


@pytest.mark.parametrize("name", PROBLEMS)
def test_a_problem_is_complete(name: str) -> None:
    problem = load(name)
    check_blobs(problem)
    assert problem.name == name
    assert len(problem.workloads) >= 5
    assert (ROOT / name / "PROVENANCE.md").is_file()
    names = {path.stem for path in (ROOT / name / "solutions").glob("*.json")}
    assert any(n.startswith("wrong_") for n in names)
    assert len([n for n in names if not n.startswith(("wrong_", "cheat_", "baseline_"))]) >= 1
    assert set(problem.quick_uuids()) < {w.uuid for w in problem.workloads}


@pytest.mark.parametrize("name", PROBLEMS)
def test_flashinfer_bench_reads_them(name: str) -> None:
    definition = Definition.model_validate_json((ROOT / name / "definition.json").read_text())
    for line in (ROOT / name / "workloads.jsonl").read_text().splitlines():
        Workload.model_validate(json.loads(line)["workload"])
    for path in (ROOT / name / "solutions").glob("*.json"):
        assert Solution.model_validate_json(path.read_text()).definition == definition.name


def test_packed_solutions_match_their_sources() -> None:
    packing = runpy.run_path(str(ROOT / "pack.py"), run_name="pack")
    for path, text in packing["targets"]().items():
        assert path.read_text("utf-8") == text, f"run: python kernels/pack.py ({path.name})"


@pytest.mark.parametrize("name", PYTHON)
def test_python_solutions_are_right_or_wrong_as_named(name: str) -> None:
    problem_name, solution_name = name.split("/")
    problem = load(problem_name)
    definition = Definition.model_validate_json(
        (ROOT / problem_name / "definition.json").read_text()
    )
    raw = json.loads((ROOT / problem_name / "workloads.jsonl").read_text().splitlines()[2])
    workload = Workload.model_validate(raw["workload"])
    torch.manual_seed(7)
    blobs = load_safetensors(definition, workload, problem.root)
    inputs = gen_inputs(definition, workload, "cpu", blobs)
    space: dict[str, object] = {}
    exec(problem.definition.reference, space)
    expected = space["run"](*inputs)  # type: ignore[operator]
    expected = list(expected) if isinstance(expected, tuple) else [expected]
    outputs = [torch.full_like(e, -1) for e in expected]
    solution = parse_solution(
        (ROOT / problem_name / "solutions" / f"{solution_name}.json").read_text()
    )
    code: dict[str, object] = {}
    exec(solution.sources[0].content, code)
    code["run"](*inputs, *outputs)  # type: ignore[operator]
    violation = check(outputs, expected, list(problem.definition.outputs), problem.settings)
    assert (violation is not None) == solution_name.startswith("wrong_"), violation


def test_cuda_solutions_compile_for_hopper_and_blackwell(tmp_path: Path) -> None:
    sandbox = open_sandbox(tmp_path)
    found = 0
    for path in ROOT.glob("*/solutions/*.json"):
        solution = parse_solution(path.read_text())
        if solution.spec.language == "cuda":
            report = compile_solution(solution, ["sm_90a", "sm_100a"], sandbox)
            assert report.ok, report.targets
            assert all(k.spill_load_bytes == 0 for t in report.targets for k in t.kernels)
            found += 1
    assert found >= 1
