"""Attacks through the same judge and problem as the judge's own tests."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from sandbox.judge.client import JudgeClient
from sandbox.judge.models import BenchJob, BenchResult
from sandbox.problem import Problem
from sandbox.solution import BuildSpec, Solution, SourceFile
from tests.judge.conftest import bench, build_library, judge, problem

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


def attack_job(attack: ModuleType, problem: Problem, work: Path) -> BenchJob:
    """An attack on the small problem's first workload."""
    solution = attack_solution(attack)
    return BenchJob(
        problem_path=problem.root,
        problem_sha256=problem.sha256,
        solution=solution,
        workload_uuids=("r8",),
        candidate_library=build_library(solution, "cpu", work),
        quick=True,
        timeout_s=getattr(attack, "TIMEOUT_S", 20),
    )


@pytest.fixture
def run_attack(judge: JudgeClient, problem: Problem, tmp_path: Path) -> RunAttack:
    """Judge an attack."""
    return lambda attack: judge.bench(attack_job(attack, problem, tmp_path))
