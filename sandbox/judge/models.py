"""What the server asks of the judge, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

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


Bound = Literal["launch", "single_call"]
BUSY = 0.05
"""Share of the baseline's time from which on others are said to have disturbed it."""
RESOLUTION_US = 0.5
RESOLUTION, EAGER_RESOLUTION = 0.05, 0.1
"""A difference below these is not taken for proof that calls were done together. What an interpreter does
for each eager call differs more."""


class Singles(_Model):
    """Calls one at a time on a GPU: microseconds beyond what the protocol costs."""

    candidate_us: float = Field(description="Lower quartile.")
    baseline_us: float
    error_us: float = Field(
        description="How far the two may be off together: half their 95 % intervals."
    )
    switch_us: float = Field(
        default=0.0,
        description="How much longer an empty step took in the candidate's process than in the "
        "baseline's, before the candidate was loaded; subtracted.",
    )
    launch_us: float = Field(description="Of a kernel that does next to nothing, in a batch.")

    def bound(
        self, candidate_us: float, baseline_us: float, *, eager: bool = False
    ) -> tuple[float, Bound | None]:
        """The candidate's latency, if batches give these figures, and what it follows from if not
        from the batch: it is no less than a launch, and, where a call takes longer alone than in a
        batch by more than the baseline's does, it is what it takes alone."""
        usual = max(0.0, self.baseline_us - baseline_us)
        alone = self.candidate_us - usual
        share = EAGER_RESOLUTION if eager else RESOLUTION
        slack = RESOLUTION_US + self.error_us + share * max(alone, 0.0)
        latency_us = candidate_us
        bound: Bound | None = None
        if alone - candidate_us > slack:
            latency_us, bound = alone, "single_call"
        if latency_us < self.launch_us:
            latency_us, bound = self.launch_us, "launch"
        return latency_us, bound


class Samples(_Model):
    """The raw timing of one workload: per-call microseconds, batch by batch, in order. Where others had a
    processor meanwhile, figures leave that out, and these do not."""

    calls_per_batch: int
    overhead_us: float = Field(description="The protocol's own cost a batch, subtracted.")
    revealing_us: float = Field(
        default=0.0,
        description="On a CPU: how long a call's inputs took to appear; subtracted as well.",
    )
    waited: float = Field(
        default=0.0,
        description="On a CPU: share of the baseline's time in which others had a processor.",
    )
    candidate_us: tuple[float, ...]
    baseline_us: tuple[float, ...]
    reported_us: tuple[float, ...] = Field(
        default=(), description="CUDA events in the candidate's own process say: not trusted."
    )
    singles: Singles | None = Field(default=None, description="On a GPU.")


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
        description="The baseline without the candidate. If it is clearly lower, it counts.",
    )
    speedup: float | None = None
    speedup_low: float | None = None
    speedup_high: float | None = None
    max_abs_error: float | None = None
    max_rel_error: float | None = None
    timing: str | None = Field(
        default=None, description="'eager' calls, or replays of a CUDA 'graph' of them."
    )
    baseline_timing: str | None = Field(default=None, description="The same of the baseline.")
    bound: Bound | None = Field(
        default=None,
        description="What the latency is, if not what batches say: a 'launch', the least that a call "
        "can take, or a 'single_call', since calls took longer alone than together.",
    )
    roofline_us: float | None = Field(
        default=None,
        description="On a GPU: what moving all inputs and outputs once takes at the memory's peak.",
    )
    cold_l2: bool | None = Field(
        default=None, description="On a GPU: whether a batch is too large for its L2 to keep."
    )
    reported_us: float | None = Field(
        default=None,
        description="On a GPU: what CUDA events in the solution's own process say; it can forge them, "
        "and they are not used.",
    )
    consistent: bool | None = Field(
        default=None, description="Whether `reported_us` agrees with `latency_us`."
    )
    caveats: tuple[str, ...] = Field(default=(), description="What to know about the latency.")
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
