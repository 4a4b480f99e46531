"""Attacks through the same judge and problem as the judge's own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from sandbox.box import open_sandbox
from sandbox.build.compiler import compile_solution
from sandbox.judge.client import JudgeClient
from sandbox.judge.models import BenchJob, BenchResult
from sandbox.problem import Problem
from sandbox.solution import BuildSpec, Solution, SourceFile
from tests.judge.conftest import bench, judge, problem

__all__ = ["bench", "judge", "problem"]

RunAttack = Callable[[ModuleType], BenchResult]


def attack_solution(attack: ModuleType) -> Solution:
    """An attack as a solution in flashinfer-bench's format."""
    language = getattr(attack, "LANGUAGE", "python")
    file = "main.cpp" if language == "cpp" else "main.py"
    return Solution(
        name=attack.__name__.rpartition(".")[2],
        definition="rmsnorm_small",
        spec=BuildSpec(
            language=language,
            entry_point=f"{file}::run",
            destination_passing_style=getattr(attack, "IN_PLACE", True),
        ),
        sources=(SourceFile(path=file, content=attack.SOURCE),),
    )


@pytest.fixture
def run_attack(judge: JudgeClient, problem: Problem, tmp_path: Path) -> RunAttack:
    """Judge an attack on the small problem's first workload."""

    def run(attack: ModuleType) -> BenchResult:
        solution, library = attack_solution(attack), None
        if solution.spec.language == "cpp":
            with open_sandbox(tmp_path / "build") as sandbox:
                report = compile_solution(solution, ("cpu",), sandbox, library=True)
            assert report.targets[0].ok, report.targets[0].diagnostics
            library = tmp_path / "solution.so"
            library.write_bytes(next(p.content for p in report.products if p.kind == "so"))
        return judge.bench(
            BenchJob(
                problem_path=problem.root,
                problem_sha256=problem.sha256,
                solution=solution,
                workload_uuids=("r8",),
                candidate_library=library,
                quick=True,
                timeout_s=getattr(attack, "TIMEOUT_S", 20),
            )
        )

    return run
