"""Compiling a small CUDA kernel: through the sandbox, against nvcc called directly, and cached.

Goals: at most 1.15 times nvcc when cold, at most 10 ms from the cache.
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
from sandbox.solution import parse_solution
from server.scratch import command_services
from server.settings import load_settings
from tools.cli.compiler import OPERATOR

SOLUTION = (
    Path(__file__).resolve().parents[1] / "kernels/rmsnorm_h4096/solutions/vectorized_cuda.json"
)
TARGET = "sm_100a"


def directly(directory: Path) -> float:
    """Seconds of nvcc alone, with the flags that the sandbox uses."""
    solution = parse_solution(SOLUTION.read_text())
    source = directory / "kernel.cu"
    source.write_text(solution.sources[0].content)
    argv = [str(find_cuda().nvcc), "-cubin", "-gencode=arch=compute_100a,code=sm_100a", "-O3"]
    argv += ["-Xptxas=-v", "-std=c++17", "-lineinfo", f"-I{tvm_ffi_root() / 'include'}"]
    argv += [str(source), "-o", str(directory / "kernel.cubin")]
    started = time.perf_counter()
    subprocess.run(argv, check=True, capture_output=True)
    return time.perf_counter() - started


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
    with tempfile.TemporaryDirectory() as directory:
        root = Path(directory)
        sandbox = open_sandbox(root / "work")
        solution = parse_solution(SOLUTION.read_text())
        alone, boxed = [], []
        for _ in range(options.rounds):
            alone.append(directly(root))
            started = time.perf_counter()
            assert compile_solution(solution, [TARGET], sandbox).ok
            boxed.append(time.perf_counter() - started)
        hits = asyncio.run(cached(root / "none", options.rounds * 5))
    figures = {
        "nvcc_s": statistics.median(alone),
        "sandboxed_s": statistics.median(boxed),
        "ratio": statistics.median(boxed) / statistics.median(alone),
        "cache_hit_ms": statistics.median(hits) * 1e3,
    }
    if options.json:
        print(json.dumps(figures))
    else:
        print("  ".join(f"{name} {value:.3f}" for name, value in figures.items()))


if __name__ == "__main__":
    main()
