"""Triton and CuTe DSL kernels compiled ahead of time, by the real compilers, without a GPU."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.box import Sandbox
from sandbox.build import Diagnostic, ExampleCall, cache_key, compile_solution, example_call
from sandbox.build.models import CompileOptions, CompileReport
from sandbox.errors import AssayError
from sandbox.problem import load_problem
from sandbox.solution import parse_solution
from tests.sandbox.test_build import solution

KERNELS = Path(__file__).resolve().parents[2] / "kernels"

MATMUL = """
import torch
import triton
import triton.language as tl

@triton.jit
def matmul(a, b, c, K: tl.constexpr, BLOCK: tl.constexpr):
    rows = tl.arange(0, 128)[:, None]
    columns = tl.arange(0, 128)[None, :]
    total = tl.zeros((128, 128), dtype=tl.float32)
    for start in range(0, K, BLOCK):
        inner = start + tl.arange(0, BLOCK)
        x = tl.load(a + rows * K + inner[None, :])
        y = tl.load(b + inner[:, None] * 128 + columns)
        total = tl.dot(x, y, total)
    tl.store(c + rows * 128 + columns, total)

def run(a, b, c):
    matmul[(torch.cuda.get_device_properties(0).multi_processor_count,)](a, b, c, 1024, BLOCK=64)
"""


def tensor(*shape: int, dtype: str = "float16") -> dict[str, object]:
    return {"shape": shape, "dtype": dtype, "value": None}


CALL = ExampleCall(
    inputs=(tensor(128, 1024), tensor(1024, 128)),
    outputs=(tensor(128, 128, dtype="float32"),),
    source="a test",
)


def build(sandbox: Sandbox, source: str, target: str = "sm_90a") -> CompileReport:
    return compile_solution(solution("triton", "main.py", source), [target], sandbox, example=CALL)


def error(report: CompileReport) -> Diagnostic:
    (found,) = report.targets[0].diagnostics
    assert not report.ok
    return found


@pytest.mark.parametrize(("target", "path"), [("sm_90a", "wgmma"), ("sm_100a", "tcgen05")])
def test_a_matrix_product_takes_the_native_path(sandbox: Sandbox, target: str, path: str) -> None:
    report = build(sandbox, MATMUL, target)
    assert report.ok, report.targets
    (kernel,) = report.targets[0].kernels
    assert kernel.name == "matmul"
    assert kernel.tensor is not None
    assert (kernel.tensor.path, kernel.tensor.native) == (path, True)
    assert kernel.max_threads == 128
    assert kernel.dynamic_shared_bytes
    assert kernel.dynamic_shared_bytes > 64 << 10
    assert [o.block_threads for o in kernel.occupancy] == [128]
    assert {p.kind for p in report.products} == {"cubin", "ptx", "sass"}


def test_the_shipped_solution_is_compiled_for_its_problem(sandbox: Sandbox) -> None:
    problem = load_problem(KERNELS / "rmsnorm_h4096")
    shipped = parse_solution((problem.root / "solutions" / "triton_rows.json").read_text("utf-8"))
    report = compile_solution(shipped, ["sm_100a"], sandbox, example=example_call(problem))
    assert report.ok, report.targets
    (kernel,) = report.targets[0].kernels
    assert set(kernel.global_loads) == {128}
    assert problem.workloads[0].uuid in report.targets[0].note


# The change, a word of the message, one of the remedy, and the line that is meant.
WRONG = {
    "no power of two": (
        "tl.arange(0, 128)[:, None]",
        "tl.arange(0, 100)[:, None]",
        "power",
        "next_power",
    ),
    "misspelt": ("start in range(0, K, BLOCK)", "start in range(0, K, BLOK)", "BLOK", "misspelt"),
    "global": ("rows * K + inner", "rows * WIDTH + inner", "WIDTH", "misspelt"),
    "shapes": ("tl.dot(x, y, total)", "x + y", "shape", "expand"),
    "too much shared memory": ("BLOCK=64)", "BLOCK=1024)", "shared memory", "num_stages"),
    "a device": (
        "(a, b, c):\n    matmul",
        "(a, b, c):\n    c = c.cuda()\n    matmul",
        "CUDA",
        "device=",
    ),
    "a host error": (
        "(a, b, c):\n    matmul",
        "(a, b, c):\n    c = d\n    matmul",
        "'d'",
        "misspelt",
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_errors_are_located_and_have_remedies(sandbox: Sandbox, name: str) -> None:
    before, after, word, remedy = WRONG[name]
    source = MATMUL.replace(before, after)
    assert source != MATMUL
    found = error(build(sandbox, source))
    assert word in found.message, found
    assert remedy in (found.remedy or ""), found
    new = [line.strip() for line in after.splitlines() if line.strip() not in MATMUL]
    assert any(line in (found.source_line or "") for line in new), found


def test_a_call_that_launches_nothing_says_so(sandbox: Sandbox) -> None:
    idle = MATMUL.replace("(a, b, c):\n    matmul", "(a, b, c):\n    return\n    matmul")
    found = error(build(sandbox, idle))
    assert "launched no" in found.message
    assert found.remedy


def test_an_autotuner_takes_its_first_configuration(sandbox: Sandbox) -> None:
    tuned = MATMUL.replace(
        "@triton.jit",
        "@triton.autotune([triton.Config({'BLOCK': b}, num_warps=8) for b in (32, 64)], key=[])\n"
        "@triton.jit",
    ).replace(", BLOCK=64)", ")")
    report = build(sandbox, tuned)
    assert report.ok, report.targets
    (kernel,) = report.targets[0].kernels
    assert kernel.max_threads == 256


def test_its_host_code_is_confined(sandbox: Sandbox) -> None:
    nosy = MATMUL.replace("def run(a, b, c):", "def run(a, b, c):\n    open('/etc/shadow')")
    assert "FileNotFoundError" in error(build(sandbox, nosy)).message


@pytest.mark.parametrize(
    "said", ["'[1]'", "'[' * 10**5", "'{' * 60_000", "'x' * 10**6", r"'\\x00\\x1b[31m'"]
)
def test_what_the_inside_says_is_not_believed(sandbox: Sandbox, said: str) -> None:
    """It may write any file there is; none of them becomes a kernel that was compiled."""
    forged = (
        "import json, os, pathlib\n"
        "out = pathlib.Path('/sandbox/out')\n"
        "def run(a, b, c):\n"
        "    (out / 'k.cubin').write_bytes(b'not a cubin')\n"
        "    (out / 'k.json').write_text(json.dumps({'name': 'k', 'num_warps': 10**9}))\n"
        f"    (out / 'l.json').write_text({said})\n"
        f"    (out / 'error.json').write_text({said})\n"
        "    os._exit(0)\n"
    )
    (target,) = build(sandbox, forged).targets
    assert not target.ok
    assert target.kernels == ()
    assert "not read" in target.note


def test_links_and_too_many_files_stay_inside(sandbox: Sandbox) -> None:
    linked = "import os\ndef run(a, b, c):\n    os.symlink('/etc/passwd', '/sandbox/out/k.cubin')\n"
    assert build(sandbox, linked).products == ()
    many = (
        "def run(a, b, c):\n"
        "    for n in range(200):\n"
        "        open(f'/sandbox/out/{n}.cubin', 'w').close()\n"
    )
    with pytest.raises(AssayError) as caught:
        build(sandbox, many)
    assert caught.value.code == "too_much_output"


def test_without_a_known_call_only_syntax_is_checked(sandbox: Sandbox) -> None:
    report = compile_solution(solution("triton", "main.py", MATMUL), ["sm_90a"], sandbox)
    assert report.ok
    assert "syntax only" in report.targets[0].note
    assert report.products == ()


def test_the_cache_knows_the_call() -> None:
    one = solution("triton", "main.py", MATMUL)
    options = CompileOptions()
    assert cache_key(one, ["sm_90a"], options, example=CALL) != cache_key(one, ["sm_90a"], options)


CUTE = """
import cuda.bindings.driver as cuda
import cutlass
import cutlass.cute as cute
import torch
from cutlass.cute.runtime import from_dlpack

@cute.kernel
def double(a: cute.Tensor, c: cute.Tensor):
    i = cute.arch.block_idx()[0] * 128 + cute.arch.thread_idx()[0]
    c[i] = a[i] * 2.0

@cute.jit
def launch(a: cute.Tensor, c: cute.Tensor, stream: cuda.CUstream):
    double(a, c).launch(grid=(8, 1, 1), block=(128, 1, 1), stream=stream)

def run(a, c):
    stream = cuda.CUstream(torch.cuda.current_stream().cuda_stream)
    compiled = cute.compile(launch, from_dlpack(a), from_dlpack(c), stream)
    compiled(from_dlpack(a), from_dlpack(c), stream)
    compiled(from_dlpack(a), from_dlpack(c), stream)
"""
LINE = ExampleCall((tensor(1024, dtype="float32"),), (tensor(1024, dtype="float32"),), "a line")


@pytest.mark.parametrize("target", ["sm_90a", "sm_100a"])
def test_cute_dsl_is_compiled_too(sandbox: Sandbox, target: str) -> None:
    report = compile_solution(solution("python", "main.py", CUTE), [target], sandbox, example=LINE)
    assert report.ok, report.targets
    (kernel,) = report.targets[0].kernels
    assert "double" in kernel.name
    assert kernel.max_threads == 128
    assert kernel.global_loads == {32: 1}
    assert {p.kind for p in report.products} == {"cubin", "ptx", "sass"}
    assert report.targets[0].compiler.startswith("nvidia-cutlass-dsl")


@pytest.mark.parametrize(
    ("before", "after", "word"),
    [("a[i] * 2.0", "a[i] * missing", "missing"), ("c[i] =", "c[i, 0, 1] =", "congruent")],
)
def test_cute_errors_are_plain_text(sandbox: Sandbox, before: str, after: str, word: str) -> None:
    report = compile_solution(
        solution("python", "main.py", CUTE.replace(before, after)),
        ["sm_90a"],
        sandbox,
        example=LINE,
    )
    found = error(report)
    assert word in found.message
    assert found.file == "main.py"
    assert "\x1b" not in found.message
