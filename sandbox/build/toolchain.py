"""Where the compilers are, and which versions: found once, named in every cache key."""

from __future__ import annotations

import importlib.metadata
import importlib.util
import re
import shutil
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from sandbox.errors import AssayError


@dataclass(frozen=True)
class CudaToolkit:
    """A CUDA toolkit: the real nvcc (not a wrapper script) and its version."""

    nvcc: Path
    home: Path
    version: str


@dataclass(frozen=True)
class HostCompiler:
    """The C++ compiler."""

    path: Path
    version: str


@dataclass(frozen=True)
class Disassembler:
    """NVIDIA's tools that read cubins."""

    nvdisasm: Path
    cuobjdump: Path
    version: str


@cache
def find_cuda() -> CudaToolkit:
    """The toolkit of the machine, or the one from NVIDIA's wheels.

    Raises:
        AssayError: `compiler_missing`.
    """
    for nvcc in _nvcc_candidates():
        version = _version([str(nvcc), "--version"], r"V(\d+\.\d+\.\d+)")
        if version:
            return CudaToolkit(nvcc, nvcc.parent.parent, version)
    raise AssayError(
        "compiler_missing",
        "nvcc is not installed, so CUDA sources cannot be compiled.",
        "Install it with: pip install 'kernel-assay[nvcc]' (or NVIDIA's CUDA toolkit).",
    )


@cache
def find_host_compiler() -> HostCompiler:
    """The C++ compiler of the machine.

    Raises:
        AssayError: `compiler_missing`.
    """
    path = shutil.which("g++", path="/usr/bin:/usr/local/bin")
    version = _version([path, "--version"], r"(\d+\.\d+\.\d+)") if path else None
    if path is None or version is None:
        raise AssayError(
            "compiler_missing",
            "g++ is not installed, so C++ sources cannot be compiled.",
            "Install it with: apt-get install -y g++",
        )
    return HostCompiler(Path(path), version)


@cache
def find_disassembler() -> Disassembler:
    """Triton brings the tools along; else those of the machine's toolkit.

    Raises:
        AssayError: `compiler_missing`.
    """
    for directory in _disassembler_candidates():
        nvdisasm, cuobjdump = directory / "nvdisasm", directory / "cuobjdump"
        if nvdisasm.exists() and cuobjdump.exists():
            version = _version([str(nvdisasm), "--version"], r"V(\d+\.\d+\.\d+)")
            if version:
                return Disassembler(nvdisasm, cuobjdump, version)
    raise AssayError(
        "compiler_missing",
        "nvdisasm and cuobjdump are not installed, so machine code cannot be read.",
        "Install triton (it has both), or NVIDIA's CUDA toolkit.",
    )


@cache
def tvm_ffi_root() -> Path:
    """Where tvm-ffi's headers and library lie, without importing it."""
    spec = importlib.util.find_spec("tvm_ffi")
    if spec is None or not spec.submodule_search_locations:
        raise AssayError(
            "compiler_missing", "apache-tvm-ffi is not installed.", "pip install apache-tvm-ffi"
        )
    return Path(next(iter(spec.submodule_search_locations)))


def tvm_ffi_version() -> str:
    return importlib.metadata.version("apache-tvm-ffi")


def _nvcc_candidates() -> list[Path]:
    """Real nvcc binaries, best first: ptxas lies beside them, which no wrapper script has."""
    found = [Path("/usr/local/cuda/bin/nvcc")]
    if (path := shutil.which("nvcc")) is not None:
        found.append(Path(path))
    packages = Path(sys.prefix) / "lib" / f"python3.{sys.version_info.minor}" / "site-packages"
    found += sorted((packages / "nvidia").glob("cu*/bin/nvcc"), reverse=True)
    real = [path.resolve() for path in found if path.exists()]
    return [path for path in dict.fromkeys(real) if (path.parent / "cicc").exists() or _nvvm(path)]


def _nvvm(nvcc: Path) -> bool:
    return (nvcc.parent.parent / "nvvm" / "bin" / "cicc").exists()


def _disassembler_candidates() -> list[Path]:
    found = []
    spec = importlib.util.find_spec("triton")
    if spec is not None and spec.submodule_search_locations:
        root = Path(next(iter(spec.submodule_search_locations)))
        found.append(root / "backends" / "nvidia" / "bin")
    return [*found, Path("/usr/local/cuda/bin")]


def _version(argv: list[str], pattern: str) -> str | None:
    try:
        done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=False)
    except OSError:
        return None
    match = re.search(pattern, done.stdout)
    return match[1] if match else None
