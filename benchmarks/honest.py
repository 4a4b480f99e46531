"""False rejections: honest solutions, judged again and again. None may be refused.

The controls of the adversarial suite on its small problem, and every solution in `kernels/` that is not
there to be refused, on its smallest workload. On a GPU also the controls that only run there; `bounded`
counts the runs in which calls one at a time made a latency longer than the batches' (see `Singles.bound`).
"""

from __future__ import annotations

import argparse
import importlib
import json
import pkgutil
import re
import statistics
import sys
import tempfile
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
KERNELS = HERE.parent / "kernels"
DISHONEST = ("wrong", "cheat")


def cases(work: Path, device: str) -> list[tuple[str, Any, Any, str]]:
    """Name, problem, solution and workload of each."""
    from sandbox.problem import load_problem
    from sandbox.solution import parse_solution
    from tests.adversarial import attacks, gpu_attacks
    from tests.adversarial.conftest import attack_solution
    from tests.judging import write_problem

    small = write_problem(work / "problem")
    elsewhere = "cuda" if device == "cpu" else "cpp"
    found = []
    for package in (attacks,) if device == "cpu" else (attacks, gpu_attacks):
        for module in pkgutil.iter_modules(package.__path__):
            attack = importlib.import_module(f"{package.__name__}.{module.name}")
            solution = attack_solution(attack)
            if module.name.startswith("control_") and solution.spec.language != elsewhere:
                found.append((module.name, small, solution, "r8"))
    for path in sorted(KERNELS.glob("*/solutions/*.json")):
        solution = parse_solution(path.read_text())
        if path.stem.startswith(DISHONEST) or solution.spec.language == elsewhere:
            continue
        problem = load_problem(path.parents[1])
        name = f"{problem.name}/{path.stem}"
        found.append((name, problem, solution, problem.workloads[0].uuid))
    return found


def main() -> int:
    """Print a line a solution; fail if any honest one was refused."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--only", default="", help="solutions whose name matches this")
    options = parser.parse_args()
    sys.path.insert(0, str(HERE.parent))
    from sandbox.gpu import find_gpu
    from sandbox.judge.client import JudgeClient
    from sandbox.judge.models import BenchJob
    from tests.judging import build_library

    target = "cpu" if options.device == "cpu" else find_gpu(options.device).target
    refused = judged = bounded = 0
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        judge = JudgeClient(work / "judge")
        for name, problem, solution, workload in cases(work, options.device):
            if not re.search(options.only, name):
                continue
            job = BenchJob(
                problem_path=problem.root,
                problem_sha256=problem.sha256,
                solution=solution,
                workload_uuids=(workload,),
                device=options.device,
                candidate_library=build_library(solution, target, work),
                quick=True,
            )
            results = [judge.bench(job) for _ in range(options.runs)]
            speedups = [r.speedup_geomean for r in results if r.passed]
            bad = [r.workloads[0].reason for r in results if not r.passed]
            judged, refused = judged + len(results), refused + len(bad)
            slowed = sum(r.workloads[0].bound == "single_call" for r in results)
            bounded += slowed
            line = {"solution": name, "runs": len(results), "refused": len(bad), "bounded": slowed}
            if speedups:
                line["speedup"] = [round(f(speedups), 3) for f in (min, statistics.median, max)]
            print(json.dumps(line | ({"reasons": bad[:2]} if bad else {})), flush=True)
        judge.close()
    print(json.dumps({"judged": judged, "refused": refused, "bounded": bounded}))
    return 1 if refused else 0


if __name__ == "__main__":
    sys.exit(main())
