"""One isolated evaluation: ours against flashinfer-bench's isolated runner on the CPU.

flashinfer-bench measures on a GPU only. To run its own runner here, the few CUDA calls on its path are
replaced in its processes (synchronise, events, device choice), and nothing else of it. Both judge the
same solution on the same workload of the same problem.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import logging
import os
import statistics
import tempfile
import time
from pathlib import Path
from typing import Any

PROBLEM = "rmsnorm_h4096"
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


def official(rounds: int) -> list[float]:
    """Seconds of an evaluation by flashinfer-bench's isolated runner."""
    without_cuda()
    from flashinfer_bench.bench.config import BenchmarkConfig
    from flashinfer_bench.bench.runner import isolated_runner
    from flashinfer_bench.data import Definition, Solution, Workload

    original = isolated_runner._solution_worker_main
    times = []
    definition = Definition.model_validate_json((KERNELS / PROBLEM / "definition.json").read_text())
    line = (KERNELS / PROBLEM / "workloads.jsonl").read_text().splitlines()[2]
    workload = Workload.model_validate(json.loads(line)["workload"])
    path = KERNELS / PROBLEM / "solutions" / "baseline_torch.json"
    solution = Solution.model_validate_json(path.read_text())
    configuration = BenchmarkConfig(num_trials=3, warmup_runs=10, iterations=50)
    logger = logging.getLogger("benchmark")
    runner = isolated_runner.SubprocessWorker(device="cpu:0", log_dir=tempfile.mkdtemp())
    baseline = runner.run_ref(definition, workload, configuration, None)
    try:
        isolated_runner._solution_worker_main = worker
        for _ in range(rounds):
            started = time.perf_counter()
            result = runner.run_solution(solution, baseline, configuration)
            times.append(time.perf_counter() - started)
            logger.info("%s", result.status)
            assert result.status.value == "PASSED", result.log[-500:]
    finally:
        isolated_runner._solution_worker_main = original
    return times


def ours(rounds: int) -> list[float]:
    """Seconds of an evaluation by the judge: both arms, both verdicts, timed and verified."""
    from sandbox.judge.client import JudgeClient
    from sandbox.judge.models import BenchJob
    from sandbox.problem import load_problem
    from sandbox.solution import parse_solution

    problem = load_problem(KERNELS / PROBLEM)
    path = KERNELS / PROBLEM / "solutions" / "baseline_torch.json"
    job = BenchJob(
        problem_path=problem.root,
        problem_sha256=problem.sha256,
        solution=parse_solution(path.read_text()),
        workload_uuids=(problem.workloads[2].uuid,),
        quick=True,
    )
    times = []
    with tempfile.TemporaryDirectory() as work:
        judge = JudgeClient(Path(work))
        judge.bench(job)  # starts the judge and its runners
        for _ in range(rounds):
            started = time.perf_counter()
            assert judge.bench(job).passed
            times.append(time.perf_counter() - started)
        judge.close()
    return times


def main() -> None:
    """Print medians and their ratio."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    os.environ.setdefault("FIB_CACHE_PATH", tempfile.mkdtemp())
    theirs, mine = official(options.rounds), ours(options.rounds)
    figures = {
        "flashinfer_bench_isolated_s": statistics.median(theirs),
        "assay_s": statistics.median(mine),
        "ratio": statistics.median(theirs) / statistics.median(mine),
    }
    if options.json:
        print(json.dumps(figures))
    else:
        print("  ".join(f"{name} {value:.2f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
