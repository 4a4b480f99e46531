"""Device-only sources through NVRTC: which they are, and that nothing is lost against nvcc."""

from __future__ import annotations

import pytest

from sandbox.box import Sandbox
from sandbox.build import compile_solution
from sandbox.build.models import CompileOptions, CompileReport
from sandbox.build.nvrtc import device_only, nvrtc_version
from tests.sandbox.test_build import solution

needs_nvrtc = pytest.mark.skipif(nvrtc_version() is None, reason="NVRTC is not installed")

SCALE = """\
#include <cstdint>
#include <cuda_fp16.h>
extern "C" __global__ void scale(const __half* in, float* out, uint32_t n) {
  uint32_t i = blockIdx.x * blockDim.x + threadIdx.x;
  if (i < n) out[i] = __expf(__half2float(in[i])) / 3.0f;
}
"""


def built(sandbox: Sandbox, source: str, **options: object) -> CompileReport:
    chosen = CompileOptions.model_validate(options)
    return compile_solution(solution("cuda", "k.cu", source), ["sm_90a"], sandbox, chosen)


@needs_nvrtc
def test_a_source_without_host_code_goes_through_nvrtc(sandbox: Sandbox) -> None:
    report = built(sandbox, SCALE)
    (target,) = report.targets
    assert target.ok, target.diagnostics
    assert target.compiler.startswith("nvrtc 13")
    assert {"cubin", "ptx", "sass"} <= {product.kind for product in report.products}
    (kernel,) = target.kernels
    assert kernel.spill_store_bytes == 0
    sass = next(product.content for product in report.products if product.kind == "sass")
    assert b"k.cu" in sass  # line numbers


@needs_nvrtc
def test_the_options_reach_it(sandbox: Sandbox) -> None:
    assert built(sandbox, SCALE, lineinfo=False).targets[0].ok
    exact, fast = (
        built(sandbox, SCALE, fast_math=fast).targets[0].kernels[0].instructions
        for fast in (False, True)
    )
    assert exact is not None
    assert fast is not None
    assert fast < exact


@needs_nvrtc
def test_what_nvrtc_cannot_compile_nvcc_explains(sandbox: Sandbox) -> None:
    (target,) = built(sandbox, SCALE.replace("/ 3.0f", "/ three")).targets
    assert not target.ok
    assert target.compiler.startswith("nvcc")
    assert (target.diagnostics[0].file, target.diagnostics[0].line) == ("k.cu", 5)
    assert "three" in target.diagnostics[0].message
    surprising = SCALE + "cudaError_t nothing() { return cudaSuccess; }\n"
    assert built(sandbox, surprising).targets[0].ok


@pytest.mark.parametrize(
    ("source", "alone"),
    [
        (SCALE, True),
        (SCALE.replace("<cstdint>", "<vector>"), False),
        (SCALE + "void go() { scale<<<1, 1>>>(0, 0, 0); }", False),
        (SCALE + "int main() { return 0; }", False),
        ('#include "tvm/ffi/function.h"\n' + SCALE, False),
        (SCALE + "void copy() { cudaMemcpyAsync(0, 0, 0, cudaMemcpyDefault, 0); }", False),
    ],
)
def test_host_code_is_seen(source: str, alone: bool) -> None:
    assert (device_only(solution("cuda", "k.cu", source)) is not None) == alone
