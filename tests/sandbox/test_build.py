"""Compilation in the sandbox: real compilers, real errors, nothing of the host in the results."""

from __future__ import annotations

import pytest

from sandbox.box import Sandbox
from sandbox.build import CompileOptions, cache_key, compile_solution
from sandbox.build.messages import resources
from sandbox.errors import AssayError
from sandbox.solution import BuildSpec, Language, Solution, SourceFile

CUDA = """
__global__ void scale(float* x, int n, float a) {
  int i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) x[i] *= a;
}
void run() {}
"""
CPP = """
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>
void Run(tvm::ffi::TensorView x) { static_cast<float*>(x.data_ptr())[0] = 1.0f; }
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""


def solution(language: Language, path: str, content: str, **more: str) -> Solution:
    files = {path: content, **{name.replace("__", "."): text for name, text in more.items()}}
    return Solution(
        name="test",
        definition="test",
        spec=BuildSpec(language=language, entry_point=f"{path}::run"),
        sources=tuple(SourceFile(path=name, content=text) for name, text in files.items()),
    )


def test_cuda_for_several_targets_without_a_gpu(sandbox: Sandbox) -> None:
    report = compile_solution(solution("cuda", "k.cu", CUDA), ["sm_90a", "sm_100a"], sandbox)
    assert report.ok, report.targets
    assert [t.target for t in report.targets] == ["sm_90a", "sm_100a"]
    for target in report.targets:
        (kernel,) = target.kernels
        assert "scale" in kernel.name
        assert 0 < kernel.registers < 64
        assert kernel.spill_load_bytes == kernel.spill_store_bytes == 0
    cubins = [p for p in report.products if p.kind == "cubin"]
    assert [p.target for p in cubins] == ["sm_90a", "sm_100a"]
    assert all(p.content[:4] == b"\x7fELF" for p in cubins)


def test_a_cuda_error_has_file_line_and_source(sandbox: Sandbox) -> None:
    broken = CUDA.replace("x[i] *= a", "y[i] *= a")
    report = compile_solution(solution("cuda", "k.cu", broken), ["sm_100a"], sandbox)
    assert not report.ok
    (error,) = [d for d in report.targets[0].diagnostics if d.severity == "error"]
    assert (error.file, error.line) == ("k.cu", 4)
    assert "y" in error.message
    assert error.source_line == "if (i < n) y[i] *= a;"


def test_spills_are_counted(sandbox: Sandbox) -> None:
    hungry = """
    __global__ void hungry(const float* in, float* out, int s) {
      float r[128];
      #pragma unroll
      for (int k = 0; k < 128; k++) r[k] = in[k * s + threadIdx.x];
      float a = 0;
      #pragma unroll
      for (int k = 0; k < 128; k++) a = a * r[k] + r[127 - k];
      out[threadIdx.x] = a;
    }
    void run() {}
    """
    tight = CompileOptions(maxrregcount=32)
    report = compile_solution(solution("cuda", "k.cu", hungry), ["sm_90a"], sandbox, tight)
    (kernel,) = report.targets[0].kernels
    assert kernel.registers <= 32
    assert kernel.spill_store_bytes > 0


def test_cpp_makes_a_library(sandbox: Sandbox) -> None:
    report = compile_solution(solution("cpp", "m.cpp", CPP), ["cpu"], sandbox)
    assert report.ok, report.targets
    assert [p.kind for p in report.products if p.kind == "so"] == ["so"]


def test_cpp_errors_have_columns(sandbox: Sandbox) -> None:
    broken = CPP.replace("= 1.0f;", "= one;")
    report = compile_solution(solution("cpp", "m.cpp", broken), ["cpu"], sandbox)
    error = report.targets[0].diagnostics[0]
    assert (error.severity, error.file, error.line) == ("error", "m.cpp", 4)
    assert error.column is not None


def test_headers_of_the_solution_are_found(sandbox: Sandbox) -> None:
    with_header = '#include "util.h"\n' + CUDA.replace("*= a", "*= a * FACTOR")
    report = compile_solution(
        solution("cuda", "k.cu", with_header, util__h="#define FACTOR 2.0f\n"), ["sm_90a"], sandbox
    )
    assert report.ok, report.targets


@pytest.mark.parametrize(
    ("language", "path", "source"),
    [
        ("cuda", "k.cu", '#include "/etc/shadow"\nvoid run() {}'),
        ("cuda", "k.cu", '#include "/root/.bashrc"\nvoid run() {}'),
        ("cpp", "m.cpp", 'asm(".incbin \\"/etc/shadow\\"");\nvoid run() {}'),
        ("cpp", "m.cpp", '#include "/proc/1/environ"\nvoid run() {}'),
    ],
)
def test_host_files_stay_outside(
    sandbox: Sandbox, language: Language, path: str, source: str
) -> None:
    target = "sm_90a" if language == "cuda" else "cpu"
    report = compile_solution(solution(language, path, source), [target], sandbox)
    everything = repr(report).encode() + b"".join(p.content for p in report.products)
    assert b"root:" not in everything
    assert b"ASSAY" not in everything
    assert not report.ok


@pytest.mark.parametrize(
    ("source", "line"),
    [("def run(x:\n    pass\n", 1), ("def run(x):\n  return (\n", 2), ("x = 1\n", None)],
)
def test_python_is_checked_and_never_run(sandbox: Sandbox, source: str, line: int | None) -> None:
    report = compile_solution(solution("python", "main.py", source), ["cpu"], sandbox)
    assert not report.ok
    assert report.targets[0].diagnostics[0].line == line


def test_python_side_effects_do_not_happen(sandbox: Sandbox) -> None:
    source = "import sys\nsys.exit(3)\ndef run(x): pass\n"
    assert compile_solution(solution("python", "main.py", source), ["cpu"], sandbox).ok


def test_wrong_targets_and_bindings_are_refused(sandbox: Sandbox) -> None:
    with pytest.raises(AssayError, match="sm_100a") as caught:
        compile_solution(solution("cpp", "m.cpp", CPP), ["sm_100a"], sandbox)
    assert caught.value.code == "unknown_target"
    with pytest.raises(AssayError, match="rm -rf"):
        compile_solution(solution("cuda", "k.cu", CUDA), ["sm_90a; rm -rf /"], sandbox)


def test_the_cache_key_covers_everything() -> None:
    base = solution("cuda", "k.cu", CUDA)
    keys = {
        cache_key(base, ["sm_90a"], CompileOptions()),
        cache_key(base, ["sm_100a"], CompileOptions()),
        cache_key(base, ["sm_90a"], CompileOptions(fast_math=True)),
        cache_key(solution("cuda", "k.cu", CUDA + " "), ["sm_90a"], CompileOptions()),
    }
    assert len(keys) == 4
    relabelled = base.model_copy(update={"name": "other", "author": "x"})
    assert cache_key(relabelled, ["sm_90a"], CompileOptions()) in keys


def test_an_endless_compilation_is_stopped(sandbox: Sandbox) -> None:
    source = "template<int N> struct A { A<N+1> a; A<N+2> b; };\nA<0> x;\nvoid run() {}\n"
    slow = "#include <regex>\n#include <algorithm>\n" * 3 + source
    report = compile_solution(solution("cpp", "m.cpp", slow), ["cpu"], sandbox, timeout_s=0.2)
    assert not report.ok
    assert "stopped" in report.targets[0].diagnostics[0].message


def test_ptxas_output_is_read_whole() -> None:
    log = (
        "ptxas info    : Compiling entry function 'a' for 'sm_90a'\n"
        "ptxas info    : Function properties for a\n"
        "    8 bytes stack frame, 4 bytes spill stores, 12 bytes spill loads\n"
        "ptxas info    : Used 40 registers, used 2 barriers, 8 bytes cumulative stack size, "
        "1024 bytes smem, 380 bytes cmem[0]\n"
    )
    (kernel,) = resources(log)
    assert (kernel.registers, kernel.barriers, kernel.static_shared_bytes) == (40, 2, 1024)
    assert (kernel.stack_bytes, kernel.spill_store_bytes, kernel.spill_load_bytes) == (8, 4, 12)
