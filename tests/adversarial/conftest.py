"""Attacks through the same judge and problem as the judge's own tests."""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Callable
from pathlib import Path
from types import ModuleType

import pytest

from sandbox.gpu import find_gpu
from sandbox.judge.client import JudgeClient
from sandbox.judge.models import BenchJob, BenchResult
from sandbox.problem import Problem
from sandbox.solution import BuildSpec, Solution, SourceFile
from tests.adversarial import attacks, gpu_attacks
from tests.judging import build_library

RunAttack = Callable[..., BenchResult]


def load_attacks(package: ModuleType) -> dict[str, ModuleType]:
    """Every attack of a package, by name."""
    return {
        module.name: importlib.import_module(f"{package.__name__}.{module.name}")
        for module in pkgutil.iter_modules(package.__path__)
    }


def gpu_suite() -> dict[str, ModuleType]:
    """What runs on a GPU: what only a GPU allows, and, with an underscore, what was written for a CPU and is
    not C++ for the host."""
    return load_attacks(gpu_attacks) | {
        f"{name}_": attack
        for name, attack in load_attacks(attacks).items()
        if getattr(attack, "LANGUAGE", "python") != "cpp"
    }


def expected(attack: ModuleType, *, on_a_gpu: bool) -> str:
    """How an attack says that it must end."""
    return str(getattr(attack, "ON_A_GPU", attack.EXPECT) if on_a_gpu else attack.EXPECT)


def check_outcome(attack: ModuleType, result: BenchResult) -> None:
    """An attack ended as it says that it must: see `test_attacks.py`."""
    (workload,) = result.workloads
    expect = expected(attack, on_a_gpu=result.environment.gpu is not None)
    if expect == "rejected" or (expect == "harmless" and not result.passed):
        assert not result.passed, workload
        assert workload.latency_us is None
        assert result.speedup_geomean is None
        assert workload.reason
        assert getattr(attack, "WORDS", "") in workload.reason
        return
    assert result.passed, workload
    assert workload.latency_us is not None
    assert workload.bound == getattr(attack, "BOUND", workload.bound)
    if expect in ("not faster", "harmless"):
        assert workload.speedup_low is not None
        assert workload.speedup_low < 1.2  # what is proved, however busy the machine is
    if expect == "bounded":
        assert workload.speedup is not None
        assert workload.speedup < 3
    if expect == "slow":
        assert workload.speedup_low is not None
        assert workload.speedup_low < 0.6  # it is not proved that five times the work is like one


def attack_solution(attack: ModuleType) -> Solution:
    """An attack as a solution in flashinfer-bench's format."""
    language = getattr(attack, "LANGUAGE", "python")
    file = {"cpp": "main.cpp", "cuda": "main.cu"}.get(language, "main.py")
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


def attack_job(attack: ModuleType, problem: Problem, work: Path, device: str = "cpu") -> BenchJob:
    """An attack on the small problem's first workload."""
    solution = attack_solution(attack)
    target = "cpu" if device == "cpu" else find_gpu(device).target
    return BenchJob(
        problem_path=problem.root,
        problem_sha256=problem.sha256,
        solution=solution,
        workload_uuids=("r8",),
        device=device,
        candidate_library=build_library(solution, target, work),
        quick=True,
        timeout_s=getattr(attack, "TIMEOUT_S", 20),
    )


@pytest.fixture
def run_attack(judge: JudgeClient, problem: Problem, tmp_path: Path) -> RunAttack:
    """Judge an attack on a device."""

    def run(attack: ModuleType, device: str = "cpu") -> BenchResult:
        return judge.bench(attack_job(attack, problem, tmp_path, device))

    return run
