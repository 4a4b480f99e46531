"""Profiles that the server captures itself, asked for by an agent: real candidates on a real GPU."""

from __future__ import annotations

from typing import Any

import pytest

from sandbox.gpu import find_gpus
from tests.conftest import Live
from tests.tools.test_loop import Party, play, refused
from tools.demo.harness import Agent, load

PROBLEM = "rmsnorm_h4096"
GPU = pytest.mark.skipif(not find_gpus(), reason="needs an NVIDIA GPU")

BROKEN = """\
#include <cuda_runtime.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/function.h>

__global__ void broken(const float* x, float* y, int n) {
  __shared__ float tile[256];
  int i = blockIdx.x * 256 + threadIdx.x;
  tile[threadIdx.x] = i < n ? x[i] : 0;
  float left = tile[(threadIdx.x + 255) % 256];  // a race: nobody waited
  if (threadIdx.x == 0 && blockIdx.x == 0) y[(1ll << 34)] = left;  // far outside
  if (i < n) y[i] = left;
}
void run(tvm::ffi::TensorView x, tvm::ffi::TensorView w, tvm::ffi::TensorView y) {
  broken<<<1, 256>>>(static_cast<const float*>(x.data_ptr()), static_cast<float*>(y.data_ptr()), 128);
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, run);
"""


async def ended(agent: Agent, tool: str, **arguments: Any) -> dict[str, Any]:
    answer = await agent.call(tool, **arguments)
    assert answer.ok, answer.error
    return answer.data


async def stored(agent: Agent, solution: dict[str, Any]) -> str:
    target = find_gpus()[0].target
    targets = [] if solution["spec"]["language"] == "python" else [target]
    done = await ended(agent, "compile_kernel", solution=solution, targets=targets)
    return str(done["solution_id"])


@pytest.mark.gpu
@GPU
@pytest.mark.timeout(200)
@pytest.mark.parametrize(
    ("name", "kernel"),
    [("vectorized_cuda", "RmsNorm"), ("triton_rows", "rmsnorm"), ("baseline_torch", "")],
)
def test_a_candidate_is_captured_read_and_diagnosed(live: Live, name: str, kernel: str) -> None:
    async def scene(party: Party) -> None:
        solution_id = await stored(party.writer, load(PROBLEM, name))
        asked = {"solution_id": solution_id, "problem": PROBLEM}
        first = await ended(party.writer, "profile_ncu", **asked)
        assert first["kernels"], first
        assert all(kernel in shown["kernel"]["name"] for shown in first["kernels"])
        assert all(shown["findings"] for shown in first["kernels"])
        assert first["kernels"][0]["kernel"]["duration_us"] > 0
        assert first["capture"]["depth"] == "survey"
        again = await ended(party.writer, "profile_ncu", **asked)
        assert again["capture"]["cached"]
        assert again["capture"]["artifact_id"] == first["capture"]["artifact_id"]

    play(live, scene)


@pytest.mark.gpu
@GPU
@pytest.mark.timeout(300)
def test_lines_and_timelines_come_with_depth(live: Live) -> None:
    async def scene(party: Party) -> None:
        solution_id = await stored(party.writer, load(PROBLEM, "vectorized_cuda"))
        asked = {"solution_id": solution_id, "problem": PROBLEM}
        source = await ended(party.writer, "profile_ncu", **asked, depth="source", section="lines")
        assert source["kernels"][0]["kernel"]["hot"]["lines"]
        full = await ended(party.writer, "profile_ncu", **asked, depth="full")
        assert full["kernels"]

    play(live, scene)


@pytest.mark.gpu
@GPU
@pytest.mark.timeout(300)
def test_the_sanitizer_finds_what_is_broken_and_nothing_else(live: Live) -> None:
    async def scene(party: Party) -> None:
        good = load(PROBLEM, "vectorized_cuda")
        broken = {**good, "name": "broken"}
        broken["sources"] = [{"path": good["sources"][0]["path"], "content": BROKEN}]
        results = {}
        for name, solution in (("good", good), ("broken", broken)):
            solution_id = await stored(party.writer, solution)
            done = await ended(
                party.writer,
                "profile_ncu",
                solution_id=solution_id,
                problem=PROBLEM,
                depth="sanitize",
            )
            results[name] = {report["tool"]: report for report in done["sanitizer"]}
        assert {tool: r["errors"] for tool, r in results["good"].items()} == {
            "memcheck": 0,
            "racecheck": 0,
            "initcheck": 0,
            "synccheck": 0,
        }
        memory = results["broken"]["memcheck"]
        assert memory["errors"], results
        assert "Invalid __global__ write" in memory["findings"][0]["what"]
        assert "broken" in memory["findings"][0]["kernel"]

    play(live, scene)


@pytest.mark.skipif(bool(find_gpus()), reason="there is a GPU")
def test_without_a_gpu_the_answer_is_how_to_do_it_elsewhere(live: Live) -> None:
    async def scene(party: Party) -> None:
        answer = await party.writer.call("compile_kernel", solution=load(PROBLEM, "triton_rows"))
        solution_id = answer.data["solution_id"]
        refused(
            await party.writer.call("profile_ncu", solution_id=solution_id, problem=PROBLEM),
            "capture_unavailable",
            "no NVIDIA device node",
            "assay artifact add",
        )

    play(live, scene)
