"""What the server asks of the judge, and what it answers."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sandbox.gpu import State
from sandbox.solution import Solution


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class BenchJob(_Model):
    """One benchmark run."""

    problem_path: Path
    problem_sha256: str
    solution: Solution
    workload_uuids: tuple[str, ...]
    device: str = "cpu"
    candidate_library: Path | None = Field(default=None, description="Built library (cpp).")
    baseline_library: Path | None = None
    quick: bool = False
    timeout_s: float = 300.0


class Samples(_Model):
    """The raw timing of one workload: per-call microseconds, batch by batch, in order."""

    calls_per_batch: int
    overhead_us: float = Field(description="The protocol's own cost a batch, subtracted.")
    candidate_us: tuple[float, ...]
    baseline_us: tuple[float, ...]
    reported_us: tuple[float, ...] = Field(
        default=(), description="CUDA events in the candidate's own process say: not trusted."
    )


class GpuEnvironment(_Model):
    """The GPU of a run."""

    name: str
    uuid: str
    driver: str
    before: State
    after: State
    contended: bool = Field(
        description="Somebody else computed on it, or its clocks were held down."
    )


class WorkloadResult(_Model):
    """One workload. What was rejected has no figures."""

    uuid: str
    status: str = Field(description="flashinfer-bench's status, after both verdicts.")
    official_status: str
    assay_status: str = Field(description="'PASSED' or the name of the rule that failed.")
    reason: str | None = None
    latency_us: float | None = None
    baseline_us: float | None = None
    baseline_alone_us: float | None = Field(
        default=None,
        description="The baseline without the candidate, on a GPU. If it is lower, it counts.",
    )
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    timing: str | None = Field(
        default=None, description="'eager' calls, or replays of a CUDA 'graph' of them."
    )
    verified_calls: int = Field(default=0, description="Calls whose outputs were verified.")
    samples: Samples | None = None


class Environment(_Model):
    """Where and with what it was measured."""

    device: str
    cpu: str
    python: str
    torch: str
    flashinfer_bench: str
    threads: int
    load_before: float
    load_after: float
    gpu: GpuEnvironment | None = None


class BenchResult(_Model):
    """A finished run."""

    passed: bool
    official: str
    assay: str
    faster: bool
    speedup_geomean: float | None
    speedup_mean: float | None
    speedup_min: float | None
    integrity: str
    sandbox_level: str
    workloads: tuple[WorkloadResult, ...]
    environment: Environment
    seed: str = Field(description="Revealed now that the run is over: inputs can be made again.")
    wall_s: float
