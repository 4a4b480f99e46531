"""A judge with its warm runners, and a small problem, once a worker: two judges would contend for a GPU."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sandbox.box import open_sandbox
from sandbox.build.compiler import compile_solution
from sandbox.judge.client import JudgeClient
from sandbox.judge.models import BenchJob, BenchResult
from sandbox.problem import Problem, load_problem
from sandbox.solution import BuildSpec, Solution, SourceFile

DEFINITION = {
    "name": "rmsnorm_small",
    "op_type": "rmsnorm",
    "axes": {"rows": {"type": "var"}, "width": {"type": "const", "value": 512}},
    "inputs": {
        "x": {"shape": ["rows", "width"], "dtype": "float32"},
        "w": {"shape": ["width"], "dtype": "float32"},
    },
    "outputs": {"y": {"shape": ["rows", "width"], "dtype": "float32"}},
    "reference": "import torch\n"
    "def run(x, w):\n"
    "    return x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w\n",
}
HONEST = (
    "import torch\n"
    "def run(x, w, y):\n"
    "    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)\n"
)


def solution(source: str, *, in_place: bool = True, name: str = "s") -> Solution:
    return Solution(
        name=name,
        definition="rmsnorm_small",
        spec=BuildSpec(
            language="python", entry_point="main.py::run", destination_passing_style=in_place
        ),
        sources=(SourceFile(path="main.py", content=source),),
    )


def build_library(candidate: Solution, target: str, work: Path) -> Path | None:
    """What a runner loads of a compiled solution; None for the other languages."""
    if candidate.spec.language not in ("cpp", "cuda"):
        return None
    with open_sandbox(work / "build") as sandbox:
        report = compile_solution(candidate, (target,), sandbox, library=True)
    assert report.targets[0].ok, report.targets[0].diagnostics
    path = work / f"{candidate.sha256}.so"
    path.write_bytes(next(p.content for p in report.products if p.kind == "so"))
    return path


def write_problem(directory: Path, **settings: object) -> Problem:
    directory.mkdir(parents=True, exist_ok=True)
    (directory / "definition.json").write_text(json.dumps(DEFINITION))
    random = {"type": "random"}
    lines = [
        {
            "definition": "rmsnorm_small",
            "workload": {
                "uuid": f"r{n}",
                "axes": {"rows": n},
                "inputs": {"x": random, "w": random},
            },
        }
        for n in (8, 64)
    ]
    (directory / "workloads.jsonl").write_text("\n".join(json.dumps(line) for line in lines))
    (directory / "baseline.json").write_text(solution(HONEST, name="base").model_dump_json())
    (directory / "settings.json").write_text(
        json.dumps({"relative_l2": 1e-4, "cap": 1e-3, **settings})
    )
    return load_problem(directory)


Bench = Callable[..., BenchResult]


@pytest.fixture(scope="session")
def judge(tmp_path_factory: pytest.TempPathFactory) -> Iterator[JudgeClient]:
    client = JudgeClient(tmp_path_factory.mktemp("judge"))
    yield client
    client.close()


@pytest.fixture(scope="session")
def problem(tmp_path_factory: pytest.TempPathFactory) -> Problem:
    return write_problem(tmp_path_factory.mktemp("problem") / "p")


@pytest.fixture(scope="session")
def bench(judge: JudgeClient, problem: Problem) -> Bench:
    """Measure a solution on the first workload, quickly."""

    def run(
        candidate: str | Solution,
        *,
        in_place: bool = True,
        timeout_s: float = 40.0,
        workloads: tuple[str, ...] = ("r8",),
        on: Problem | None = None,
    ) -> BenchResult:
        target = on or problem
        return judge.bench(
            BenchJob(
                problem_path=target.root,
                problem_sha256=target.sha256,
                solution=candidate
                if isinstance(candidate, Solution)
                else solution(candidate, in_place=in_place),
                workload_uuids=workloads,
                quick=True,
                timeout_s=timeout_s,
            )
        )

    return run
