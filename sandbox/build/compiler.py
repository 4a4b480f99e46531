"""compile_solution: choose the compiler for the language, run it in the sandbox, report."""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import PurePosixPath

from sandbox.box import Command, Completed, Limits, Sandbox
from sandbox.build import messages, static
from sandbox.build.ahead import ExampleCall, ahead_compiler, compile_ahead, compiled_ahead
from sandbox.build.models import CompileOptions, CompileReport, Diagnostic, Product, TargetReport
from sandbox.build.nvrtc import device_only, nvrtc_command, nvrtc_version
from sandbox.build.report import read_machine_code
from sandbox.build.toolchain import (
    find_cuda,
    find_disassembler,
    find_host_compiler,
    tvm_ffi_root,
    tvm_ffi_version,
)
from sandbox.errors import AssayError
from sandbox.runtime import Mount
from sandbox.solution import Solution

GPU_TARGETS = ("sm_80", "sm_90", "sm_90a", "sm_100", "sm_100a", "sm_103", "sm_103a", "sm_120")
SOURCES = "/sandbox/in/src"
OUT = "/sandbox/out"
KEPT = "/tmp/kept"  # noqa: S108 - inside, private and empty
_KEEP_PTX = (
    "/bin/sh",
    "-c",
    f'mkdir {KEPT}; ptx=$1; shift; "$@"; end=$?; mv "{KEPT}/$ptx" {OUT}/ 2>&-; exit $end',
    "sh",
)
"""Runs nvcc and keeps the PTX that it makes on the way."""
FORMAT = 3
"""Part of every cache key: raise it when reports change."""


def check_targets(language: str, targets: Sequence[str]) -> None:
    """Refuse targets that mean nothing for a language.

    Raises:
        AssayError: `unknown_target`.
    """
    allowed = {
        "python": ("cpu", *GPU_TARGETS),
        "triton": ("cpu", *GPU_TARGETS),
        "cpp": ("cpu",),
        "cuda": GPU_TARGETS,
    }[language]
    wrong = [target for target in targets if target not in allowed]
    if wrong:
        raise AssayError(
            "unknown_target",
            f"Target {', '.join(t[:40] for t in wrong)!r} does not fit a {language} solution.",
            f"Targets for {language}: {', '.join(allowed)}.",
        )


def cache_key(
    solution: Solution,
    targets: Sequence[str],
    options: CompileOptions,
    *,
    library: bool = False,
    example: ExampleCall | None = None,
) -> str:
    """SHA-256 over everything that can change the result, compilers' versions included."""
    versions: list[str] = []
    if solution.spec.language in ("cpp", "cuda"):
        versions = [find_host_compiler().version, tvm_ffi_version()]
    if solution.spec.language == "cuda":
        versions += [find_cuda().version, nvrtc_version() or "", find_disassembler().version]
    if example is not None and compiled_ahead(solution):
        versions += [ahead_compiler(solution), example.key]
    flags = options.model_dump(mode="json") | ({"library": True} if library else {})
    body = [FORMAT, solution.sha256, sorted(targets), flags, versions]
    return hashlib.sha256(json.dumps(body, sort_keys=True).encode()).hexdigest()


def compile_solution(
    solution: Solution,
    targets: Sequence[str],
    sandbox: Sandbox,
    options: CompileOptions | None = None,
    *,
    library: bool = False,
    example: ExampleCall | None = None,
    timeout_s: float = 120.0,
) -> CompileReport:
    """Compile for each target, side by side.

    Args:
        solution: what to compile.
        targets: for which architectures.
        sandbox: where compilers run.
        options: flags, from an allow-list.
        library: link what a runner loads; otherwise CUDA gives cubins, which is faster and is
            what an agent looks at.
        example: arguments of a call: without them Triton and CuTe DSL are checked for syntax only.
        timeout_s: for each compiler.

    Raises:
        AssayError: `unknown_target`, `compiler_missing`, `unsupported_binding`.
        SandboxFailure: the sandbox could not be set up.
    """
    options = options or CompileOptions()
    check_targets(solution.spec.language, targets)
    if solution.spec.binding == "torch":
        raise AssayError(
            "unsupported_binding",
            "binding 'torch' is not supported: torch's extension builder takes minutes.",
            "Use binding 'tvm-ffi': TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, run).",
        )

    def compile_one(target: str) -> tuple[TargetReport, list[Product]]:
        if solution.spec.language in ("cpp", "cuda"):
            return _compile_target(solution, target, sandbox, options, library, timeout_s)
        checked = static.check(solution, target)
        if compiled_ahead(solution) and target != "cpu" and example and checked.ok:
            return compile_ahead(solution, target, example, sandbox, timeout_s)
        return checked, []

    with ThreadPoolExecutor(max_workers=4) as pool:
        results = list(pool.map(compile_one, targets))
    return CompileReport(
        tuple(report for report, _ in results),
        tuple(product for _, products in results for product in products),
    )


def _compile_target(
    solution: Solution,
    target: str,
    sandbox: Sandbox,
    options: CompileOptions,
    library: bool,
    timeout_s: float,
) -> tuple[TargetReport, list[Product]]:
    source = None if library or solution.spec.language != "cuda" else device_only(solution)
    version = nvrtc_version()
    if source is not None and version is not None:
        cubin = f"{PurePosixPath(source).stem}.cubin"
        argv = _nvrtc(source, cubin, target, options)
        built = _build(solution, target, sandbox, {cubin: argv}, f"nvrtc {version}", timeout_s)
        if built[0].ok:
            return built
    if solution.spec.language == "cpp":
        commands = {"solution.so": _cpp(solution, options)}
        compiler = f"g++ {find_host_compiler().version}"
    elif library:
        commands = {"solution.so": _cuda_library(solution, target, options)}
        compiler = f"nvcc {find_cuda().version}"
    else:
        commands = {
            f"{PurePosixPath(path).stem}.cubin": _cuda(path, target, options)
            for path in _with_suffix(solution, ".cu")
        }
        compiler = f"nvcc {find_cuda().version}"
    return _build(solution, target, sandbox, commands, compiler, timeout_s)


def _build(
    solution: Solution,
    target: str,
    sandbox: Sandbox,
    commands: dict[str, tuple[str, ...]],
    compiler: str,
    timeout_s: float,
) -> tuple[TargetReport, list[Product]]:
    """Run a compiler once for each file that it makes, and read what it made and said."""
    started = time.monotonic()
    products: list[Product] = []
    log, timed_out, ok = "", False, bool(commands)
    found: tuple[Diagnostic, ...] = ()
    for name, argv in commands.items():
        done = _run(solution, argv, sandbox, timeout_s)
        words = (done.stderr + done.stdout).decode("utf-8", "replace")
        ptx = done.outputs.get(str(PurePosixPath(name).with_suffix(".ptx")), b"")
        log += words
        found += messages.diagnostics(words, solution, ptx.decode("utf-8", "replace"))
        timed_out = timed_out or done.timed_out
        if done.returncode != 0 or name not in done.outputs:
            ok = False
            continue
        products += [
            Product(target, PurePosixPath(made).suffix[1:], made, content)
            for made, content in sorted(done.outputs.items())
            if made == name or made.endswith(".ptx")
        ]
    if timed_out:
        found = (Diagnostic(severity="error", message=f"compiler stopped after {timeout_s:g} s"),)
    elif not commands:
        found = (Diagnostic(severity="error", message="there is no file to compile"),)
    elif not ok and not any(item.severity == "error" for item in found):
        tail = log.replace(f"{SOURCES}/", "").strip()[-600:]
        found += (Diagnostic(severity="error", message=tail or "the compiler failed silently"),)
    report = TargetReport(
        target=target,
        ok=ok,
        compiler=compiler,
        seconds=round(time.monotonic() - started, 3),
        diagnostics=found,
        kernels=messages.resources(log),
    )
    if log.strip():
        clean = log.replace(f"{SOURCES}/", "").encode()
        products.append(Product(target, "log", f"{target}.log", clean))
    return read_machine_code(report, products, sandbox)


def _run(
    solution: Solution, argv: tuple[str, ...], sandbox: Sandbox, timeout_s: float
) -> Completed:
    mounts: tuple[Mount, ...] = ()
    home = find_cuda().home if solution.spec.language == "cuda" else None
    if home is not None and not home.is_relative_to("/usr"):
        mounts = (Mount(home, str(home)),)
    return sandbox.run(
        Command(
            argv=argv,
            files={f"src/{source.path}": source.content.encode() for source in solution.sources},
            mounts=mounts,
            limits=Limits(
                wall_s=timeout_s,
                cpu_s=max(2, int(timeout_s) * 2),
                processes=64,
                data_bytes=None,
                address_bytes=16 << 30,
            ),
        )
    )


def _cpp(solution: Solution, options: CompileOptions) -> tuple[str, ...]:
    root = tvm_ffi_root()
    files = [f"{SOURCES}/{path}" for path in _with_suffix(solution, ".cpp", ".cc", ".cxx")]
    return (
        str(find_host_compiler().path),
        f"-O{options.opt_level}",
        f"-std={options.std}",
        "-fPIC",
        "-shared",
        "-march=native",
        f"-I{SOURCES}",
        f"-I{root / 'include'}",
        *files,
        f"-L{root / 'lib'}",
        "-ltvm_ffi",
        "-o",
        f"{OUT}/solution.so",
    )


def _cuda(path: str, target: str, options: CompileOptions) -> tuple[str, ...]:
    name = PurePosixPath(path).stem
    return (
        *_KEEP_PTX,
        f"{name}.ptx",
        *_nvcc(target, options),
        "--keep",
        f"--keep-dir={KEPT}",
        "-cubin",
        f"{SOURCES}/{path}",
        "-o",
        f"{OUT}/{name}.cubin",
    )


def _nvrtc(path: str, cubin: str, target: str, options: CompileOptions) -> tuple[str, ...]:
    includes = (SOURCES, str(find_cuda().home / "include"), str(find_cuda().home / "include/cccl"))
    return nvrtc_command(f"{SOURCES}/{path}", f"{OUT}/{cubin}", target, options, includes)


def _cuda_library(solution: Solution, target: str, options: CompileOptions) -> tuple[str, ...]:
    files = _with_suffix(solution, ".cu", ".cpp", ".cc", ".cxx")
    return (
        *_nvcc(target, options),
        "-shared",
        "-Xcompiler=-fPIC",
        *(f"{SOURCES}/{path}" for path in files),
        f"-L{tvm_ffi_root() / 'lib'}",
        "-ltvm_ffi",
        "-o",
        f"{OUT}/solution.so",
    )


def _nvcc(target: str, options: CompileOptions) -> tuple[str, ...]:
    architecture = target.removeprefix("sm_")
    flags = [f"-O{options.opt_level}", f"-std={options.std}"]
    flags += ["--use_fast_math"] if options.fast_math else []
    flags += ["-lineinfo"] if options.lineinfo else []
    flags += [f"-maxrregcount={options.maxrregcount}"] if options.maxrregcount else []
    return (
        str(find_cuda().nvcc),
        f"-gencode=arch=compute_{architecture},code=sm_{architecture}",
        "-Xptxas=-v",
        *flags,
        f"-I{SOURCES}",
        f"-I{tvm_ffi_root() / 'include'}",
    )


def _with_suffix(solution: Solution, *suffixes: str) -> list[str]:
    return [s.path for s in solution.sources if PurePosixPath(s.path).suffix in suffixes]
