"""One isolated evaluation: ours against flashinfer-bench's isolated runner, on a CPU or a GPU.

flashinfer-bench measures on a GPU only. To run its own runner on a CPU, the few CUDA calls on its path
are replaced in its processes (synchronise, events, device choice), and nothing else of it. Both judge
the same solution on the same workload of the same problem; on a GPU that is a compiled CUDA solution,
which both have built before.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

PROBLEM = "rmsnorm_h4096"
WORKLOAD = {"cpu": 0, "cuda": 2}
"""One row of 4096, which takes a CPU some 50 us; sixteen on a GPU."""
KERNELS = Path(__file__).resolve().parents[1] / "kernels"


class _Event:
    """A CUDA event's two methods, on the host's clock."""

    def __init__(self, *_: Any, **__: Any) -> None:
        self.at = 0.0

    def record(self, *_: Any) -> None:
        self.at = time.perf_counter()

    def elapsed_time(self, other: _Event) -> float:
        return max((other.at - self.at) * 1e3, 1e-6)


def without_cuda() -> None:
    """Let flashinfer-bench's runner take `cpu:0` for a device, in this process."""
    import flashinfer_bench.bench.timing as timing
    import torch

    torch.cuda.synchronize = torch.cuda.set_device = torch.cuda.empty_cache = lambda *_, **__: None
    torch.cuda.Event = _Event
    torch.cuda.device = lambda *_: contextlib.nullcontext()
    timing._get_empty_cache_for_benchmark = lambda *_, **__: torch.empty(16)


def worker(*arguments: Any) -> None:
    """flashinfer-bench's worker, with the same replacements in its process."""
    without_cuda()
    from flashinfer_bench.bench.runner import isolated_runner

    isolated_runner._solution_worker_main(*arguments)


def _workload(device: str) -> int:
    return WORKLOAD[device.partition(":")[0]]


def official(rounds: int, device: str, name: str) -> list[float]:
    """Seconds of an evaluation by flashinfer-bench's isolated runner."""
    if device == "cpu":
        without_cuda()
    from flashinfer_bench.bench.config import BenchmarkConfig
    from flashinfer_bench.bench.runner import isolated_runner
    from flashinfer_bench.data import Definition, Solution, Workload

    original = isolated_runner._solution_worker_main
    times = []
    definition = Definition.model_validate_json((KERNELS / PROBLEM / "definition.json").read_text())
    line = (KERNELS / PROBLEM / "workloads.jsonl").read_text().splitlines()[_workload(device)]
    workload = Workload.model_validate(json.loads(line)["workload"])
    path = KERNELS / PROBLEM / "solutions" / f"{name}.json"
    solution = Solution.model_validate_json(path.read_text())
    configuration = BenchmarkConfig(num_trials=3, warmup_runs=10, iterations=50)
    runner = isolated_runner.SubprocessWorker(
        device="cpu:0" if device == "cpu" else device, log_dir=tempfile.mkdtemp()
    )
    baseline = runner.run_ref(definition, workload, configuration, None)
    try:
        if device == "cpu":
            isolated_runner._solution_worker_main = worker
        for number in range(rounds + 1):
            started = time.perf_counter()
            result = runner.run_solution(solution, baseline, configuration)
            if number:  # the first one compiles
                times.append(time.perf_counter() - started)
            assert result.status.value == "PASSED", result.log[-500:]
    finally:
        isolated_runner._solution_worker_main = original
    return times


def ours(rounds: int, device: str, name: str) -> tuple[list[float], list[float]]:
    """Seconds of an evaluation by the judge: both arms, both verdicts, timed and verified; and the same
    without the calls of the two solutions in timed batches."""
    from sandbox.gpu import find_gpu
    from sandbox.judge.client import JudgeClient
    from sandbox.judge.models import BenchJob
    from sandbox.problem import load_problem
    from sandbox.solution import parse_solution
    from tests.judging import build_library

    target = "cpu" if device == "cpu" else find_gpu(device).target
    problem = load_problem(KERNELS / PROBLEM)
    solution = parse_solution((KERNELS / PROBLEM / "solutions" / f"{name}.json").read_text())
    times, besides = [], []
    with tempfile.TemporaryDirectory() as work:
        job = BenchJob(
            problem_path=problem.root,
            problem_sha256=problem.sha256,
            solution=solution,
            workload_uuids=(problem.workloads[_workload(device)].uuid,),
            device=device,
            candidate_library=build_library(solution, target, Path(work)),
            quick=True,
        )
        judge = JudgeClient(Path(work))
        judge.bench(job)  # starts the judge and its runners
        for _ in range(rounds):
            time.sleep(0.5)  # the pool is filled again when nobody waits
            started = time.perf_counter()
            result = judge.bench(job)
            times.append(time.perf_counter() - started)
            assert result.passed
            samples = result.workloads[0].samples
            each = (*samples.candidate_us, *samples.baseline_us)
            besides.append(times[-1] - sum(each) * samples.calls_per_batch / 1e6)
        judge.close()
    return times, besides


def main() -> None:
    """Print medians and their ratio."""
    sys.path.insert(0, str(KERNELS.parent))
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("FIB_CACHE_PATH", tempfile.mkdtemp())
    name = "baseline_torch" if options.device == "cpu" else "vectorized_cuda"
    mine, besides = ours(max(options.rounds, 9), options.device, name)
    theirs = official(options.rounds, options.device, name)
    figures = {
        "flashinfer_bench_isolated_s": statistics.median(theirs),
        "assay_s": statistics.median(mine),
        "assay_without_solutions_s": statistics.median(besides),
        "ratio": statistics.median(theirs) / statistics.median(mine),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
