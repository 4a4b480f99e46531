"""Compiling CUDA kernels: through the sandbox, against nvcc called directly, and cached.

Goals: at most 1.15 times nvcc when cold, at most 10 ms from the cache. Ours reads the machine code as
well; what that takes is given apart. Two sources: a shipped solution with its host code, and a kernel
of four lines, for which starting nvdisasm (a third of a second) weighs most.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import statistics
import subprocess
import tempfile
import time
from pathlib import Path

from sandbox.box import open_sandbox
from sandbox.build import CompileOptions, compile_solution, find_cuda
from sandbox.build.toolchain import tvm_ffi_root
from sandbox.solution import Solution, parse_solution
from server.scratch import command_services
from server.settings import load_settings
from tools.cli.compiler import OPERATOR

SOLUTION = (
    Path(__file__).resolve().parents[1] / "kernels/rmsnorm_h4096/solutions/vectorized_cuda.json"
)
TARGET = "sm_100a"


SMALL = """
extern "C" __global__ void scale(const float* x, float* y, int n) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) y[i] = 2.0f * x[i];
}
"""


def directly(solution: Solution, directory: Path) -> float:
    """Seconds of nvcc alone, with the flags that the sandbox uses."""
    source = directory / "kernel.cu"
    source.write_text(solution.sources[0].content)
    argv = [str(find_cuda().nvcc), "-cubin", "-gencode=arch=compute_100a,code=sm_100a", "-O3"]
    argv += ["-Xptxas=-v", "-std=c++17", "-lineinfo", f"-I{tvm_ffi_root() / 'include'}"]
    argv += [str(source), "-o", str(directory / "kernel.cubin")]
    started = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - started


def cold(solution: Solution, root: Path, rounds: int) -> dict[str, float]:
    """Medians of both, taken by turns."""
    alone, boxed, reading = [], [], []
    with open_sandbox(root / "work") as sandbox:
        for _ in range(rounds):
            alone.append(directly(solution, root))
            started = time.perf_counter()
            report = compile_solution(solution, [TARGET], sandbox)
            boxed.append(time.perf_counter() - started)
            assert report.ok, report.targets
            reading.append(report.targets[0].report_seconds)
    nvcc, ours, read = (statistics.median(times) for times in (alone, boxed, reading))
    return {
        "nvcc_s": nvcc,
        "sandboxed_s": ours,
        "machine_code_s": read,
        "ratio": ours / nvcc,
        "ratio_without_machine_code": (ours - read) / nvcc,
    }


async def cached(state: Path, rounds: int) -> list[float]:
    """Seconds of a cache hit, through the service."""
    solution = parse_solution(SOLUTION.read_text())
    times = []
    with command_services(load_settings(state)) as bench:
        compiling = bench.services.compiling
        await compiling.store(solution, OPERATOR)
        await compiling.compile(solution, (TARGET,), CompileOptions(), OPERATOR)
        for _ in range(rounds):
            started = time.perf_counter()
            hit = await compiling.cached(solution, (TARGET,), CompileOptions(), OPERATOR)
            times.append(time.perf_counter() - started)
            assert hit is not None
    return times


def main() -> None:
    """Interleave the two, print medians."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=7)
    parser.add_argument("--json", action="store_true")
    options = parser.parse_args()
    shipped = parse_solution(SOLUTION.read_text())
    small = shipped.model_copy(
        update={"sources": (shipped.sources[0].model_copy(update={"content": SMALL}),)}
    )
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        rows = {
            "shipped": cold(shipped, root, options.rounds),
            "small": cold(small, root, options.rounds),
        }
        hits = asyncio.run(cached(root / "none", options.rounds * 5))
    rows["cache"] = {"hit_ms": statistics.median(hits) * 1e3}
    for name, figures in rows.items():
        if options.json:
            print(json.dumps({"source": name, **figures}))
        else:
            print(name, "  ".join(f"{key} {value:.3f}" for key, value in figures.items()))


if __name__ == "__main__":
    main()
