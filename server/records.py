"""Records: what the ledger says happened, in the words of the field.

Each record is the `data` of one kind of event and, unchanged, what the tools show. Figures in them
come from the server's own runs; text fields that a principal wrote are marked
as data wherever another principal reads them.
"""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Decision = Literal["keep", "rollback", "abandon"]
Verdict = Literal["approve", "reject", "needs_work"]
WorkloadSet = Literal["full", "subset"]


class Record(BaseModel):
    """Immutable, and strict about its fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")


class FileVersion(Record):
    """One source file as it was submitted."""

    path: str
    sha256: str
    size_bytes: int


class SolutionRecord(Record):
    """A stored solution; its sources are in the solution store under its id."""

    solution_id: str
    sha256: str
    definition: str
    language: str
    name: str
    entry_point: str
    files: tuple[FileVersion, ...]


class WorkloadOutcome(Record):
    """One workload of a run. A rejected workload has no latency: it is None, never zero."""

    uuid: str
    status: str = Field(description="flashinfer-bench status: PASSED, INCORRECT_NUMERICAL, …")
    latency_us: float | None = None
    baseline_us: float | None = None
    speedup: float | None = None
    speedup_low: float | None = Field(default=None, description="Lower end of the 95 % interval.")
    speedup_high: float | None = Field(default=None, description="Upper end of the 95 % interval.")
    timing: str | None = Field(
        default=None, description="'eager' calls, or a CUDA 'graph' of them."
    )
    roofline_us: float | None = Field(
        default=None, description="On a GPU: moving all inputs and outputs at the memory's peak."
    )
    reported_us: float | None = Field(
        default=None,
        description="What CUDA events in the solution's own process say. It can forge them: not used.",
    )
    caveats: tuple[str, ...] = Field(default=(), description="What to know about the latency.")
    reason: str | None = Field(default=None, description="Why it was rejected.")


class RunRecord(Record):
    """A finished benchmark run, measured by this server."""

    run_id: str
    solution_id: str
    problem: str
    problem_sha256: str
    campaign: str
    workload_set: WorkloadSet = Field(description="Only a 'full' run can support promotion.")
    device: str
    passed: bool = Field(description="Both verdicts passed on every workload of the run.")
    official: str = Field(description="flashinfer-bench's own verdict.")
    assay: str = Field(description="This server's stricter verdict.")
    faster: bool = Field(default=False, description="The confidence interval excludes 1.")
    speedup_geomean: float | None = None
    speedup_mean: float | None = Field(default=None, description="Arithmetic mean.")
    speedup_min: float | None = Field(default=None, description="The worst workload.")
    integrity: str = Field(description="How far the latency can be trusted: certified, reported.")
    sandbox_level: str
    artifact_id: str | None = Field(default=None, description="Raw samples, seeds, environment.")
    workloads: tuple[WorkloadOutcome, ...]


class CaptureRecord(Record):
    """A solution that this server ran under a profiler, and with what."""

    capture_id: str
    solution_id: str
    problem: str
    problem_sha256: str
    workload: str
    depth: str
    ncu_version: str
    device: str
    device_uuid: str
    driver: str
    clock_control: str = "none"
    counters_allowed: bool | None
    seconds: float = 0.0
    cached: bool = Field(default=False, description="The artifact was there from an earlier time.")
    artifact_id: str

    @property
    def question(self) -> tuple[str, ...]:
        """What makes two captures the same."""
        where = (self.problem_sha256, self.workload, self.device_uuid)
        return (self.solution_id, *where, self.depth, self.ncu_version)


class ProfileRecord(Record):
    """A report that this server read."""

    profile_id: str
    artifact_id: str
    solution_id: str | None = Field(
        default=None, description="Of a report that this server captured; null of a stored one."
    )
    kernels: int
    headline: str


class Verified(Record):
    """What the server itself found in a candidate's evidence."""

    compiled: bool = False
    correct_subset: bool = False
    correct_full: bool = False
    faster_full: bool = False
    profiled: bool = False
    full_runs: int = Field(default=0, description="Full runs of this solution, by anyone.")
    speedup_geomean: float | None = Field(default=None, description="Median over all full runs.")
    speedup_min: float | None = Field(default=None, description="Median of their worst workloads.")


class CandidateRecord(Record):
    """A node of the candidate graph."""

    candidate_id: str
    campaign: str
    problem: str
    solution_id: str
    parents: tuple[str, ...]
    direction: str
    hypothesis: str
    decision: Decision
    rationale: str
    run_ids: tuple[str, ...]
    profile_ids: tuple[str, ...]
    verified: Verified
    missing: tuple[str, ...] = Field(description="What promotion still needs.")


class ReviewRecord(Record):
    """A verifier's judgement of a candidate, bound to the evidence it was made on."""

    review_id: str
    candidate_id: str
    campaign: str
    verdict: Verdict
    rationale: str
    run_ids: tuple[str, ...]
    evidence_sha256: str = Field(description="Hash of the candidate and run records reviewed.")


class CampaignRecord(Record):
    """A pinned problem with a target: what the work is about."""

    campaign: str
    problem: str
    problem_sha256: str
    target_speedup: float


class ProblemRecord(Record):
    """A problem that an operator pinned."""

    problem: str
    problem_sha256: str
    pins: dict[str, str]
