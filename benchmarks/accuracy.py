"""How accurate the certified latency is on a GPU, and how well it repeats.

Accuracy: honest kernels from a few microseconds to tens of milliseconds, timed by the judge from
outside, and the same kernels on the same number of fresh buffers timed here, in a process that has
nothing to hide, by CUDA events around a graph and by CUPTI (the sum of kernel durations, without the
gaps between them), in several lots of buffers. Repeatability: the same evaluation again and again.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

DEFINITIONS: dict[str, dict[str, Any]] = {
    "scale_add": {"inputs": ("x", "b"), "call": "torch.add(b, x, alpha=1.5{out})", "rank": 1},
    "matmul": {"inputs": ("x", "b"), "call": "torch.mm(x, b{out})", "rank": 2},
}
CASES = (
    *(("scale_add", 1 << power) for power in (16, 19, 21, 23, 25)),
    *(("matmul", size) for size in (1024, 2048, 4096, 8192, 10240)),
)
REPEATED = (
    *(("scale_add", 1 << power) for power in (21, 23, 25)),
    *(("matmul", size) for size in (1024, 2048, 4096)),
)
assert set(REPEATED) <= set(CASES)


def write_problem(directory: Path, kind: str, size: int) -> Path:
    """A problem of one workload, and its baseline."""
    about = DEFINITIONS[kind]
    shape = ["n"] * about["rank"]
    spec = {"shape": shape, "dtype": "float32"}
    name = f"{kind}_{size}"
    parameters = ", ".join(about["inputs"])
    definition = {
        "name": name,
        "op_type": kind,
        "axes": {"n": {"type": "var"}},
        "inputs": dict.fromkeys(about["inputs"], spec),
        "outputs": {"y": spec},
        "reference": f"import torch\ndef run({parameters}):\n"
        f"    return {about['call'].format(out='')}\n",
    }
    workload = {
        "uuid": "only",
        "axes": {"n": size},
        "inputs": {key: {"type": "random"} for key in about["inputs"]},
    }
    root = directory / name
    root.mkdir()
    (root / "definition.json").write_text(json.dumps(definition))
    (root / "workloads.jsonl").write_text(json.dumps({"definition": name, "workload": workload}))
    (root / "baseline.json").write_text(
        json.dumps(
            {
                "name": "baseline",
                "definition": name,
                "author": "benchmark",
                "spec": {
                    "language": "python",
                    "target_hardware": ["cuda"],
                    "entry_point": "main.py::run",
                    "destination_passing_style": True,
                },
                "sources": [
                    {
                        "path": "main.py",
                        "content": f"import torch\ndef run({parameters}, y):\n"
                        f"    {about['call'].format(out=', out=y')}\n",
                    }
                ],
            }
        )
    )
    return root


@dataclass(frozen=True)
class Clocks:
    """What two clocks say of a call, in a process that has nothing to hide.

    Attributes:
        events_us, cupti_us: microseconds a call.
        sm_mhz: the clock of the multiprocessors during the replays that the events timed.
    """

    events_us: float
    cupti_us: float
    sm_mhz: int


def own_clocks(kind: str, size: int, calls: int, device: str) -> Clocks:
    """A call by CUDA events and by CUPTI, over as many buffers as the judge used."""
    import torch
    from torch.profiler import ProfilerActivity, profile

    shape = (size,) * DEFINITIONS[kind]["rank"]
    slots = [[torch.randn(shape, device=device) for _ in range(3)] for _ in range(calls)]

    def run() -> None:
        for x, b, y in slots:
            if kind == "matmul":
                torch.mm(x, b, out=y)
            else:
                torch.add(b, x, alpha=1.5, out=y)

    run()
    torch.cuda.synchronize()
    graph = torch.cuda.CUDAGraph()
    with torch.cuda.graph(graph):
        run()
    graph.replay()
    events, clocks = [], []
    for _ in range(9):
        begin, end = (torch.cuda.Event(enable_timing=True) for _ in range(2))
        begin.record()
        graph.replay()
        end.record()
        clocks.append(torch.cuda.clock_rate(device))
        torch.cuda.synchronize()
        events.append(begin.elapsed_time(end) * 1e3 / calls)
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        graph.replay()
        torch.cuda.synchronize()
    kernels = [e for e in profiler.events() if e.device_type.name == "CUDA"]
    cupti = sum(e.time_range.elapsed_us() for e in kernels) / calls
    return Clocks(statistics.median(events), cupti, int(statistics.median(clocks)))


def accuracy(
    bench: Callable[[Path], Any], directory: Path, device: str, placements: int
) -> list[dict[str, Any]]:
    """One row a kernel. Where buffers lie matters by some percent, so the own clocks take several lots."""
    import torch

    rows = []
    for kind, size in CASES:
        workload = bench(write_problem(directory, kind, size)).workloads[0]
        calls = workload.samples.calls_per_batch
        own = []
        for _ in range(placements):
            own.append(own_clocks(kind, size, calls, device))
            torch.cuda.empty_cache()
        events, cupti = (
            [round(getattr(each, name), 2) for each in own] for name in ("events_us", "cupti_us")
        )
        rows.append(
            {
                "kernel": f"{kind} n={size}",
                "calls": calls,
                "timing": workload.timing,
                "certified_us": round(workload.latency_us, 2),
                "events_us": events,
                "cupti_us": cupti,
                "sm_mhz": [each.sm_mhz for each in own],
                "to_events": round(workload.latency_us / statistics.median(events), 3),
                "to_cupti": round(workload.latency_us / statistics.median(cupti), 3),
                "speedup": round(workload.speedup, 3),
            }
        )
        print(json.dumps(rows[-1]), flush=True)
    return rows


def main() -> int:
    """Print a JSON line a kernel, and one a repeated evaluation."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--device", default="cuda:0")
    parser.add_argument("--repeat", type=int, default=6, help="evaluations for the repeatability")
    parser.add_argument(
        "--placements", type=int, default=3, help="lots of buffers for the own clocks"
    )
    options = parser.parse_args()
    sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
    from sandbox.gpu import find_gpus
    from sandbox.judge.client import JudgeClient
    from sandbox.judge.models import BenchJob
    from sandbox.problem import load_problem

    if not find_gpus():
        print("no GPU here: nothing was measured")
        return 0
    with tempfile.TemporaryDirectory() as work:
        judge = JudgeClient(Path(work) / "judge")

        def bench(root: Path) -> Any:
            problem = load_problem(root)
            job = BenchJob(
                problem_path=root,
                problem_sha256=problem.sha256,
                solution=problem.baseline,
                workload_uuids=("only",),
                device=options.device,
            )
            result = judge.bench(job)
            assert result.passed, result.workloads
            return result

        import torch

        with torch.cuda.device(options.device):
            accuracy(bench, Path(work), options.device, options.placements)
        for kind, size in REPEATED:
            root = Path(work) / f"{kind}_{size}"
            speedups = [bench(root).workloads[0].speedup for _ in range(options.repeat)]
            spread = (max(speedups) - min(speedups)) / statistics.median(speedups)
            print(
                json.dumps(
                    {
                        "repeated": f"{kind} n={size}",
                        "speedups": [round(s, 4) for s in speedups],
                        "spread": round(spread, 4),
                    }
                )
            )
        judge.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
