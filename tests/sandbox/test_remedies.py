"""The mistakes that agents make most often, really compiled: located, and with what helps."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor

import pytest

from sandbox.box import Sandbox
from sandbox.build import Diagnostic, compile_solution
from sandbox.build.messages import diagnostics
from tests.sandbox.test_build import solution

KERNEL = "__global__ void k(float* x) {\n  %s\n}\n"

# What is wrong, its target, and a word of the remedy. The mistake stands in line 2 unless it is None.
MISTAKES: dict[str, tuple[str, str, str, int | None]] = {
    "misspelt": (KERNEL % "x[0] = foo;", "sm_90a", "misspelt", 2),
    "no semicolon": (KERNEL % "x[0] = 1", "sm_90a", "syntax", None),
    "missing header": ('\n#include "mine.h"\n', "sm_90a", "sources", 2),
    "host function": (
        "float f(float a) { return a; }\n__global__ void k(float* x) { x[0] = f(x[1]); }",
        "sm_90a",
        "__device__",
        2,
    ),
    "std container": (
        "#include <vector>\n__global__ void k(float* x) { std::vector<float> v; v.push_back(1); }",
        "sm_90a",
        "cuda::std",
        2,
    ),
    "bfloat16": ("\n__global__ void k(__nv_bfloat16* x) {}", "sm_90a", "cuda_bf16.h", 2),
    "half": ("\n__global__ void k(half* x) {}", "sm_90a", "cuda_fp16.h", 2),
    "fp8": ("\n__global__ void k(__nv_fp8_e4m3* x) {}", "sm_90a", "cuda_fp8.h", 2),
    "mixed types": (
        "#include <cuda_fp16.h>\n__global__ void k(half* x, float y) { x[0] = x[1] * y; }",
        "sm_90a",
        "__half2float",
        2,
    ),
    "no operator": (
        "struct A { int v; };\n__global__ void k(A* x) { x[0] = x[1] + x[2]; }",
        "sm_90a",
        "operand",
        2,
    ),
    "not launched": ("__global__ void k() {}\nvoid run() { k(); }", "sm_90a", "<<<", 2),
    "variable length": (
        "\n__global__ void k(int* x, int n) { int a[n]; x[0] = a[0]; }",
        "sm_90a",
        "constexpr",
        2,
    ),
    "const": ("\n__global__ void k(const float* x) { x[0] = 1; }", "sm_90a", "const", 2),
    "returns": ("\n__global__ int k() { return 1; }", "sm_90a", "pointer", 2),
    "twice": (KERNEL % "int i = 0; int i = 1; x[0] = i;", "sm_90a", "Rename", 2),
    "arguments": (
        "__device__ float f(float a, float b) { return a + b; }\n"
        "__global__ void k(float* x) { x[0] = f(x[1]); }",
        "sm_90a",
        "declaration",
        2,
    ),
    "pointer cast": (KERNEL % "float4* p = x; p[0].x = 1;", "sm_90a", "reinterpret_cast", 2),
    "undefined device function": (
        "extern __device__ float f(float);\n__global__ void k(float* x) { x[0] = f(x[1]); }",
        "sm_90a",
        "header",
        None,
    ),
    "too much shared memory": (
        KERNEL % "__shared__ float s[80000]; s[threadIdx.x] = x[0]; __syncthreads(); x[1] = s[3];",
        "sm_90a",
        "227 KiB",
        None,
    ),
    "constraint": (
        KERNEL % 'asm volatile("mov.b32 %0, %1;" : "=r"(*(int*)x) : "r"(x));',
        "sm_90a",
        "64",
        2,
    ),
    "wrong operand": (
        KERNEL % 'asm volatile("add.s32 %0, %0, %1;" : "+f"(x[0]) : "f"(x[1]));',
        "sm_90a",
        "constraints",
        2,
    ),
    "no such instruction": (KERNEL % 'asm volatile("foo.bar;");', "sm_90a", "PTX", 2),
    "tcgen05 on Hopper": (
        KERNEL % 'asm volatile("tcgen05.wait::ld.sync.aligned;");',
        "sm_90a",
        "sm_100a",
        2,
    ),
    "wgmma on Blackwell": (
        KERNEL % 'asm volatile("wgmma.fence.sync.aligned;");',
        "sm_100a",
        "tcgen05",
        2,
    ),
    "wgmma without a": (
        KERNEL % 'asm volatile("wgmma.fence.sync.aligned;");',
        "sm_90",
        "sm_90a",
        2,
    ),
    "tcgen05 without a": (
        KERNEL % 'asm volatile("tcgen05.wait::ld.sync.aligned;");',
        "sm_100",
        "sm_100a",
        2,
    ),
    "Hopper on Ampere": (
        KERNEL % 'asm volatile("barrier.cluster.arrive;");',
        "sm_80",
        "__CUDA_ARCH__",
        2,
    ),
}


@pytest.fixture(scope="module")
def errors(sandbox: Sandbox) -> dict[str, list[Diagnostic]]:
    """All of them at once: one compiler a core."""

    def compile_one(name: str) -> list[Diagnostic]:
        source, target, _, _ = MISTAKES[name]
        report = compile_solution(solution("cuda", "k.cu", source), [target], sandbox)
        assert not report.ok, name
        return [d for d in report.targets[0].diagnostics if d.severity == "error"]

    with ThreadPoolExecutor(2) as pool:
        return dict(zip(MISTAKES, pool.map(compile_one, MISTAKES), strict=True))


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_located_and_has_a_remedy(
    errors: dict[str, list[Diagnostic]], name: str
) -> None:
    _, _, word, line = MISTAKES[name]
    assert any(word in (error.remedy or "") for error in errors[name]), errors[name]
    if line is not None:
        assert any((error.file, error.line) == ("k.cu", line) for error in errors[name])


def test_no_error_names_where_it_was_compiled(errors: dict[str, list[Diagnostic]]) -> None:
    assert "/sandbox" not in repr(errors)
    assert "/tmp" not in repr(errors)


def test_a_line_of_ptx_leads_to_its_source() -> None:
    ptx = '.file 1 "/sandbox/in/src/k.cu"\n.loc 1 7 3\nfoo.bar;\n.loc 1 9 3\nret;\n'
    said = "ptxas /tmp/kept/k.ptx, line 3; error   : Unknown modifier '.bar'"
    (found,) = diagnostics(said, solution("cuda", "k.cu", "\n" * 8), ptx)
    assert (found.file, found.line, found.message) == ("k.cu", 7, "Unknown modifier '.bar'")
    (lost,) = diagnostics(said, solution("cuda", "k.cu", ""))
    assert (lost.file, lost.line) == (None, None)
