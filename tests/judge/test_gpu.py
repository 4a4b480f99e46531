"""The judge on a real GPU. Skipped where there is none."""

from __future__ import annotations

from pathlib import Path

import pytest

from sandbox.gpu import find_gpus
from sandbox.judge.client import JudgeClient
from sandbox.judge.models import BenchJob, BenchResult
from sandbox.problem import Problem, load_problem
from sandbox.solution import Solution, parse_solution
from tests.judging import HONEST, build_library, solution

KERNELS = Path(__file__).resolve().parents[2] / "kernels"

pytestmark = [
    pytest.mark.gpu,
    pytest.mark.skipif(not find_gpus(), reason="needs an NVIDIA GPU"),
]


@pytest.fixture(scope="module")
def rmsnorm() -> Problem:
    return load_problem(KERNELS / "rmsnorm_h4096")


def run(
    judge: JudgeClient,
    problem: Problem,
    candidate: Solution,
    workloads: tuple[int, ...] = (0,),
    library: Path | None = None,
    timeout_s: float = 60,
    device: str = "cuda:0",
) -> BenchResult:
    return judge.bench(
        BenchJob(
            problem_path=problem.root.resolve(),
            problem_sha256=problem.sha256,
            solution=candidate,
            workload_uuids=tuple(problem.workloads[i].uuid for i in workloads),
            device=device,
            candidate_library=library,
            quick=True,
            timeout_s=timeout_s,
        )
    )


def shipped(problem: Problem, name: str) -> Solution:
    return parse_solution((problem.root / "solutions" / f"{name}.json").read_text())


def python(problem: Problem, source: str) -> Solution:
    return solution(source).model_copy(update={"definition": problem.definition.name})


RMSNORM = """
import torch
def run(x, w, y):
    y.copy_(x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6) * w)
"""


def test_the_baseline_against_itself_is_about_one(judge: JudgeClient, rmsnorm: Problem) -> None:
    result = run(judge, rmsnorm, shipped(rmsnorm, "baseline_torch"), (3, 5))
    assert result.passed, result.workloads
    assert result.environment.gpu is not None
    assert [w.timing for w in result.workloads] == ["graph", "graph"]
    for workload in result.workloads:
        assert workload.speedup is not None
        assert 0.85 < workload.speedup < 1.15
        assert workload.reported_us is not None
        assert workload.consistent


def test_cuda_and_triton_solutions_run(
    judge: JudgeClient, rmsnorm: Problem, tmp_path: Path
) -> None:
    cuda = shipped(rmsnorm, "vectorized_cuda")
    library = build_library(cuda, find_gpus()[0].target, tmp_path)
    result = run(judge, rmsnorm, cuda, (0, 5), library)
    assert result.passed, result.workloads
    assert result.workloads[0].timing == "graph"
    assert result.faster
    triton = run(judge, rmsnorm, shipped(rmsnorm, "triton_rows"), (0, 5))
    assert triton.passed, triton.workloads


def test_what_waits_for_the_gpu_is_timed_eagerly(judge: JudgeClient, rmsnorm: Problem) -> None:
    source = RMSNORM + "    torch.cuda.synchronize()\n"
    result = run(judge, rmsnorm, python(rmsnorm, source))
    assert result.passed, result.workloads
    assert result.workloads[0].timing == "eager"


ATTACKS = {
    "answers before the work is done": (
        RMSNORM + "torch.cuda.synchronize = lambda *_: None\n"
        "torch.cuda.Event.elapsed_time = lambda *_: 0.001\n"
        "_run = run\n"
        "def run(x, w, y):\n"
        "    for _ in range(8): _run(x, w, y)\n"
    ),
    "hides its work on a side stream": (
        RMSNORM + "_run, _stream = run, torch.cuda.Stream()\n"
        "def run(x, w, y):\n"
        "    with torch.cuda.stream(_stream):\n"
        "        for _ in range(8): _run(x, w, y)\n"
    ),
    "forges the events": (
        RMSNORM + "torch.cuda.Event.elapsed_time = lambda *_: 1e-6\n"
        "_run = run\n"
        "def run(x, w, y):\n"
        "    for _ in range(8): _run(x, w, y)\n"
    ),
}


@pytest.mark.parametrize("attack", ATTACKS)
def test_hidden_work_is_timed(judge: JudgeClient, rmsnorm: Problem, attack: str) -> None:
    result = run(judge, rmsnorm, python(rmsnorm, ATTACKS[attack]), (5,))
    if result.passed:
        assert not result.faster
        assert result.speedup_geomean is not None
        assert result.speedup_geomean < 0.3


REJECTED = {
    "does nothing": ("def run(x, w, y): pass\n", "finite"),
    "replays its first answer": (
        RMSNORM + "_run, _kept = run, []\n"
        "def run(x, w, y):\n"
        "    if not _kept:\n"
        "        _run(x, w, y); _kept.append(y.clone())\n"
        "    y.copy_(_kept[0])\n",
        None,
    ),
    "remembers by address": (
        RMSNORM + "_run, _kept = run, {}\n"
        "def run(x, w, y):\n"
        "    key = x.data_ptr()\n"
        "    if key not in _kept:\n"
        "        _run(x, w, y); _kept[key] = y.clone()\n"
        "    y.copy_(_kept[key])\n",
        None,
    ),
}


@pytest.mark.parametrize("attack", REJECTED)
def test_cheats_are_rejected(judge: JudgeClient, rmsnorm: Problem, attack: str) -> None:
    source, rule = REJECTED[attack]
    result = run(judge, rmsnorm, python(rmsnorm, source))
    assert not result.passed
    if rule is not None:
        assert result.assay == rule


CUDA = """
#include <cuda_runtime.h>
#include <tvm/ffi/container/tensor.h>
#include <tvm/ffi/extra/c_env_api.h>
#include <tvm/ffi/function.h>
constexpr int kWidth = 4096;
__device__ float kept[1 << 20];
__device__ int ready;
__global__ void Norm(const float* x, const float* w, float* y, int memo) {
  const float* row = x + blockIdx.x * kWidth;
  float* out = y + blockIdx.x * kWidth;
  if (memo && ready) {
    for (int i = threadIdx.x; i < kWidth; i += blockDim.x) out[i] = kept[blockIdx.x * kWidth + i];
    return;
  }
  __shared__ float sums[256];
  float sum = 0;
  for (int i = threadIdx.x; i < kWidth; i += blockDim.x) sum += row[i] * row[i];
  sums[threadIdx.x] = sum;
  __syncthreads();
  for (int n = 128; n; n /= 2) {
    if (threadIdx.x < n) sums[threadIdx.x] += sums[threadIdx.x + n];
    __syncthreads();
  }
  const float scale = rsqrtf(sums[0] / kWidth + 1e-6f);
  for (int i = threadIdx.x; i < kWidth; i += blockDim.x) {
    out[i] = row[i] * scale * w[i];
    if (memo) kept[blockIdx.x * kWidth + i] = out[i];
  }
}
__global__ void Done() { ready = 1; }
void Run(tvm::ffi::TensorView x, tvm::ffi::TensorView w, tvm::ffi::TensorView y) {
  auto stream = static_cast<cudaStream_t>(
      TVMFFIEnvGetStream(x.device().device_type, x.device().device_id));
  auto px = static_cast<const float*>(x.data_ptr());
  auto pw = static_cast<const float*>(w.data_ptr());
  auto py = static_cast<float*>(y.data_ptr());
  unsigned rows = static_cast<unsigned>(x.size(0));
  @BODY@
}
TVM_FFI_DLL_EXPORT_TYPED_FUNC(run, Run);
"""

CUDA_BODIES = {
    "honest": ("Norm<<<rows, 256, 0, stream>>>(px, pw, py, 0);", True),
    "keeps its answers on the device": (
        "Norm<<<rows, 256, 0, stream>>>(px, pw, py, 1); Done<<<1, 1, 0, stream>>>();",
        False,
    ),
    "fails to launch": ("Norm<<<rows, 256, 1 << 20, stream>>>(px, pw, py, 0);", False),
    "launches where nobody waits": (
        "static cudaStream_t mine = nullptr;"
        "if (!mine) cudaStreamCreateWithFlags(&mine, cudaStreamNonBlocking);"
        "for (int i = 0; i < 40; ++i) Norm<<<rows, 256, 0, mine>>>(px, pw, py, 0);",
        None,
    ),
}


@pytest.mark.parametrize("body", CUDA_BODIES)
def test_native_solutions(judge: JudgeClient, rmsnorm: Problem, tmp_path: Path, body: str) -> None:
    code, passes = CUDA_BODIES[body]
    solution_ = shipped(rmsnorm, "vectorized_cuda")
    source = solution_.sources[0].model_copy(update={"content": CUDA.replace("@BODY@", code)})
    changed = solution_.model_copy(update={"sources": (source,)})
    library = build_library(changed, find_gpus()[0].target, tmp_path)
    result = run(judge, rmsnorm, changed, (5,), library)
    if passes is None:
        speedup = result.workloads[0].speedup
        assert speedup is None or speedup < 0.5
    else:
        assert result.passed == passes, result.workloads


BROKEN = {
    "reads where nothing is": (
        RMSNORM + "def run(x, w, y):\n"
        "    torch.as_strided(x, (1 << 20,), (1 << 20,)).sum().item()\n"
    ),
    "never ends": "import torch\ndef run(x, w, y): torch.cuda._sleep(1 << 62)\n",
    "takes all memory": (
        RMSNORM + "_run, _kept = run, []\n"
        "def run(x, w, y):\n"
        "    while True: _kept.append(torch.empty(1 << 33, dtype=torch.uint8, device='cuda'))\n"
    ),
}


@pytest.mark.parametrize("name", BROKEN)
def test_a_broken_candidate_harms_nobody_else(
    judge: JudgeClient, rmsnorm: Problem, name: str
) -> None:
    assert not run(judge, rmsnorm, python(rmsnorm, BROKEN[name]), timeout_s=8).passed
    assert run(judge, rmsnorm, shipped(rmsnorm, "baseline_torch")).passed


TAKES_ALL_THAT_IS_LEFT = RMSNORM + (
    "import ctypes\n"
    "_driver, _run = ctypes.CDLL('libcuda.so.1'), run\n"
    "def run(x, w, y):\n"
    "    _run(x, w, y)\n"
    "    size = 0 if torch.cuda.is_current_stream_capturing() else 1 << 36\n"
    "    while size >= 1 << 21:\n"
    "        at = ctypes.c_uint64()\n"
    "        if _driver.cuMemAlloc_v2(ctypes.byref(at), ctypes.c_size_t(size)):\n"
    "            size //= 2\n"
)


def test_a_candidate_that_leaves_no_memory_is_refused(judge: JudgeClient, rmsnorm: Problem) -> None:
    """It works on with what it has; the judge needs some for the second workload."""
    result = run(judge, rmsnorm, python(rmsnorm, TAKES_ALL_THAT_IS_LEFT), (0, 5))
    assert not result.passed
    assert run(judge, rmsnorm, shipped(rmsnorm, "baseline_torch"), (0, 5)).passed


def test_slowing_the_baseline_down_gains_nothing(judge: JudgeClient, rmsnorm: Problem) -> None:
    """Kernels that a candidate leaves running go on while the baseline runs."""
    source = RMSNORM + (
        "_run, _side, _n = run, torch.cuda.Stream(), [0]\n"
        "def run(x, w, y):\n"
        "    if torch.cuda.is_current_stream_capturing(): raise RuntimeError('eagerly, please')\n"
        "    _run(x, w, y)\n"
        "    with torch.cuda.stream(_side):\n"
        "        torch.cuda._sleep(500_000)\n"
        "torch.cuda.synchronize = lambda *_: torch.cuda.current_stream().synchronize()\n"
    )
    result = run(judge, rmsnorm, python(rmsnorm, source))
    if result.passed:
        workload = result.workloads[0]
        assert workload.baseline_us is not None and workload.baseline_alone_us is not None
        assert not result.faster
        assert workload.speedup is not None
        assert workload.speedup < 1.15


def test_only_the_leased_gpu_is_there(judge: JudgeClient, rmsnorm: Problem) -> None:
    source = RMSNORM + (
        "import os\n"
        "seen = sorted(n for n in os.listdir('/dev') if n[:6] == 'nvidia' and n[6:].isdigit())\n"
        "assert len(seen) == 1, seen\n"
        "assert torch.cuda.device_count() == 1\n"
    )
    result = run(judge, rmsnorm, python(rmsnorm, source))
    assert result.passed, result.workloads


@pytest.mark.skipif(len(find_gpus()) < 2, reason="needs two GPUs")
def test_each_gpu_of_a_machine(judge: JudgeClient, rmsnorm: Problem, tmp_path: Path) -> None:
    """In turn, by one judge; the last one and the first one again, since streams belong to a GPU."""
    cuda = shipped(rmsnorm, "vectorized_cuda")
    gpus = find_gpus()
    for gpu in (*gpus, gpus[0]):
        library = build_library(cuda, gpu.target, tmp_path)
        result = run(judge, rmsnorm, cuda, (0, 5), library, device=f"cuda:{gpu.index}")
        assert result.passed, result.workloads
        assert result.workloads[0].timing == "graph"
        assert result.environment.gpu is not None
        assert result.environment.gpu.uuid == gpu.uuid
        assert not result.environment.gpu.contended


@pytest.mark.skipif(len(find_gpus()) < 2, reason="needs two GPUs")
def test_a_gpu_by_its_name(
    rmsnorm: Problem, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """CUDA_VISIBLE_DEVICES decides which GPUs a server has."""
    last = find_gpus()[-1]
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", last.uuid)
    other = JudgeClient(tmp_path / "judge")
    try:
        result = run(other, rmsnorm, shipped(rmsnorm, "baseline_torch"))
    finally:
        other.close()
    assert result.passed, result.workloads
    assert result.environment.gpu is not None
    assert result.environment.gpu.uuid == last.uuid


def test_a_cpu_run_works_beside_it(judge: JudgeClient, tmp_path: Path) -> None:
    from tests.judging import write_problem

    problem = write_problem(tmp_path / "problem")
    result = judge.bench(
        BenchJob(
            problem_path=problem.root,
            problem_sha256=problem.sha256,
            solution=solution(HONEST),
            workload_uuids=("r8",),
            quick=True,
        )
    )
    assert result.passed, result.workloads
