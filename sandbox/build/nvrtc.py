"""NVRTC for sources that hold nothing for the host: no host compiler runs, and no header of the host is read.

Such a source has no entry point that a benchmark could call: it is compiled to be looked at. Registers and
instructions may differ a little from what nvcc makes of the same text. Whether a source is device-only is
guessed from its text, and a wrong guess costs one short failed attempt: then nvcc compiles it.
"""

from __future__ import annotations

import importlib.metadata
import re
from functools import cache
from pathlib import PurePosixPath

from sandbox.build.models import CompileOptions
from sandbox.build.nvrtc_program import HEADERS
from sandbox.build.toolchain import find_cuda
from sandbox.runtime import LIBRARY, python
from sandbox.solution import Solution

PROGRAM = f"{LIBRARY}/sandbox/build/nvrtc_program.py"
_INCLUDE = re.compile(r'^\s*#\s*include\s*[<"](?P<name>[^>"]+)[>"]', re.MULTILINE)
_HOST = re.compile(
    r"<<<|\bmain\s*\(|\bcuda(?:Malloc|Memcpy|Launch|Stream|Event|DeviceSync)\w*\s*\("
)
_FOR_DEVICES = re.compile(
    r"(?:cuda/|cooperative_groups|cuda_(?:fp|bf)\d+|cuda_pipeline|mma\.h|nv/)"
)


@cache
def nvrtc_version() -> str | None:
    """The version of NVRTC that a sandbox finds; None if there is none."""
    try:
        return importlib.metadata.version("nvidia-cuda-nvrtc")
    except importlib.metadata.PackageNotFoundError:
        toolkit = find_cuda()
        there = any(toolkit.home.glob("lib64/libnvrtc.so.*"))
        return toolkit.version if there else None


def device_only(solution: Solution) -> str | None:
    """The one source of a solution that has nothing for the host in it, as far as its text says."""
    paths = [s.path for s in solution.sources if PurePosixPath(s.path).suffix == ".cu"]
    if len(paths) != 1:
        return None
    own = {PurePosixPath(source.path).name for source in solution.sources}
    for source in solution.sources:
        if _HOST.search(source.content):
            return None
        for found in _INCLUDE.finditer(source.content):
            name = found["name"]
            known = name in HEADERS or PurePosixPath(name).name in own
            if not known and not _FOR_DEVICES.match(name):
                return None
    return paths[0]


def nvrtc_command(
    source: str, cubin: str, target: str, options: CompileOptions, includes: tuple[str, ...]
) -> tuple[str, ...]:
    """The argv that compiles `source` to `cubin`, inside the sandbox."""
    flags = [f"--gpu-architecture={target}", f"--std={options.std}", "--ptxas-options=-v"]
    flags += [f"--ptxas-options=-O{options.opt_level}"] if options.opt_level < 3 else []
    flags += ["--use_fast_math"] if options.fast_math else []
    flags += ["--generate-line-info"] if options.lineinfo else []
    flags += [f"--maxrregcount={options.maxrregcount}"] if options.maxrregcount else []
    flags += [f"--include-path={path}" for path in includes]
    return (python(), "-I", "-B", PROGRAM, source, cubin, *flags)
