"""The adversarial suite against two judges: ours, and flashinfer-bench's isolated runner.

flashinfer-bench's runner has no sandbox, so it runs inside ours here. On a CPU the few CUDA calls on its
path are replaced as in `evaluate.py`; on a GPU nothing is, and the attacks that only a GPU allows are
added. Writes a table of what each judge accepted.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from types import ModuleType
from typing import Any

HERE = Path(__file__).resolve().parent
INSIDE = "/sandbox/benchmarks"
FASTER = 1.4
"""A speedup beyond this, of the baseline's own work or more, was not earned. Of ours, what counts is what it
says is proved: the low end of its interval. The other one gives a single figure."""


def inside() -> None:
    """In the sandbox: one solution through flashinfer-bench's isolated runner."""
    sys.path.insert(0, INSIDE)
    os.environ["FIB_CACHE_PATH"] = "/tmp/fib"
    import evaluate

    job = json.loads(Path("/sandbox/in/job.json").read_text())
    on_a_cpu = job["device"] == "cpu:0"
    if on_a_cpu:
        evaluate.without_cuda()
    from flashinfer_bench.bench.config import BenchmarkConfig
    from flashinfer_bench.bench.runner import isolated_runner
    from flashinfer_bench.data import Definition, Solution, Workload

    configuration = BenchmarkConfig(
        num_trials=3, warmup_runs=10, iterations=50, timeout_seconds=job["timeout_s"]
    )
    runner = isolated_runner.SubprocessWorker(device=job["device"], log_dir="/tmp/logs")
    baseline = runner.run_ref(
        Definition.model_validate(job["definition"]),
        Workload.model_validate(job["workload"]),
        configuration,
        None,
    )
    if on_a_cpu:
        isolated_runner._solution_worker_main = evaluate.worker
    done = runner.run_solution(Solution.model_validate(job["solution"]), baseline, configuration)
    speedup = done.performance.speedup_factor if done.performance else None
    Path("/sandbox/out/result.json").write_text(
        json.dumps({"status": done.status.value, "speedup": speedup})
    )


def theirs(attack: ModuleType, problem: Any, work: Path, device: str) -> tuple[str, float | None]:
    """What flashinfer-bench says of an attack, and the speedup that it reports."""
    from sandbox.box import Command, Limits, open_sandbox
    from sandbox.errors import AssayError
    from sandbox.gpu import driver_mounts, find_gpu, library_path
    from sandbox.runtime import Mount, python
    from tests.adversarial.conftest import attack_solution

    gpu = None if device == "cpu" else find_gpu(device)
    if gpu is None and getattr(attack, "LANGUAGE", "python") == "triton":
        return "needs a GPU", None
    drivers = driver_mounts() if gpu else ()
    solution = attack_solution(attack).model_dump(mode="json", exclude_none=True)
    solution["author"] = "attack"
    solution["spec"]["target_hardware"] = ["cuda" if gpu else "cpu"]
    job = {
        "device": "cuda:0" if gpu else "cpu:0",
        "definition": json.loads((problem.root / "definition.json").read_text()),
        "workload": problem.workloads[0].model_dump(mode="json"),
        "solution": solution,
        "timeout_s": 25,
    }
    command = Command(
        argv=(python(), "-B", f"{INSIDE}/adversarial.py", "--inside"),
        files={"job.json": json.dumps(job).encode()},
        mounts=(Mount(HERE, INSIDE), *drivers),
        devices=tuple(gpu.nodes()) if gpu else (),
        env=library_path(drivers),
        limits=Limits(wall_s=70.0, cpu_s=120, data_bytes=None if gpu else 6 << 30),
    )
    try:
        done = open_sandbox(work).run(command)
        result = json.loads(done.outputs["result.json"])
    except (AssayError, KeyError, ValueError):
        return "no result", None
    return str(result["status"]), result["speedup"]


def ours(
    attack: ModuleType, problem: Any, judge: Any, work: Path, device: str
) -> tuple[str, float | None, float | None]:
    """What our judge says, the speedup, and what it says is proved of it."""
    from tests.adversarial.conftest import attack_job

    result = judge.bench(attack_job(attack, problem, work, device))
    proved = result.workloads[0].speedup_low
    return ("PASSED" if result.passed else result.assay), result.speedup_geomean, proved


def verdict(expected: str, status: str, speedup: float | None, honest: float) -> str:
    """`caught`, `missed` or `right`; `harmed` where an honest solution was not accepted."""
    if status == "needs a GPU":
        return "–"
    passed = status == "PASSED"
    if expected == "accepted":
        return "right" if passed else "harmed"
    gained = passed and speedup is not None and speedup > FASTER * honest
    if expected == "rejected":
        return "missed" if passed else "caught"
    if expected == "slow":
        return "missed" if passed and speedup is not None and speedup > 0.6 * honest else "caught"
    return "missed" if gained else "caught"


def main() -> int:
    """Print the table as Markdown."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--inside", action="store_true", help=argparse.SUPPRESS)
    parser.add_argument("--device", default="cpu", help="cpu or cuda:0")
    parser.add_argument("--only", nargs="*", help="names of attacks")
    parser.add_argument("--markdown", type=Path, help="also write the table there")
    options = parser.parse_args()
    if options.inside:
        inside()
        return 0
    sys.path.insert(0, str(HERE.parent))
    from sandbox.judge.client import JudgeClient
    from tests.adversarial import attacks
    from tests.adversarial.attacks import control_plain
    from tests.adversarial.conftest import expected, gpu_suite, load_attacks
    from tests.judging import write_problem

    device = options.device
    every = load_attacks(attacks) if device == "cpu" else gpu_suite()
    found = {name: every[name] for name in options.only or sorted(every)}
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch)
        problem = write_problem(work / "problem")
        judge = JudgeClient(work / "judge")
        honest = theirs(control_plain, problem, work / "fib", device)[1] or 1.0
        mine = {name: ours(attack, problem, judge, work, device) for name, attack in found.items()}
        judge.close()
        with ThreadPoolExecutor(2 if device == "cpu" else 1) as pool:
            said = pool.map(lambda a: theirs(a, problem, work / "fib", device), found.values())
            other = {}
            for name, result in zip(found, said, strict=True):
                other[name] = result
                print(name, mine[name], result, honest, file=sys.stderr, flush=True)
    lines = [
        "| attack | what it does | must be | ours | | flashinfer-bench 0.1.2 | |",
        "| --- | --- | --- | --- | --- | --- | --- |",
    ]
    counts: dict[tuple[str, str], int] = {}
    for name, attack in found.items():
        expect = expected(attack, on_a_gpu=device != "cpu")
        row = []
        for judge_name, (status, speedup, proved), base in (
            ("ours", mine[name], 1.0),
            ("theirs", (*other[name], other[name][1]), honest),
        ):
            how = verdict(expect, status, proved, base)
            counts[judge_name, how] = counts.get((judge_name, how), 0) + 1
            figure = "" if speedup is None else f" {speedup / base:.3g}×"
            row += [how, f"{status}{figure}"]
        text = " ".join((attack.__doc__ or "").split())
        lines.append(f"| `{name}` | {text} | {expect} | {' | '.join(row)} |")
    summary = {f"{who} {how}": count for (who, how), count in sorted(counts.items())}
    print(json.dumps(summary))
    print("\n".join(lines))
    if options.markdown:
        options.markdown.write_text("\n".join([json.dumps(summary), "", *lines]) + "\n")
    return 0


if __name__ == "__main__":
    sys.exit(main())
