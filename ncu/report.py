"""What a profile says, as data: the models that every other module of `ncu` speaks.

A metric that the report does not hold is `None`, never 0: a report captured with a smaller section
set must not look like a kernel without the problem. Values that cannot be true (a hit rate of
101.6 %) are kept as measured and named in `warnings`. Nothing here reads files.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(max_length=4096)]
BRIEF_CHARACTERS = 120
Count = Annotated[int, Field(ge=0, lt=2**63)]


class Model(BaseModel):
    """Frozen, closed."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Launch(Model):
    """How the kernel was launched."""

    grid: tuple[Count, Count, Count] | None = None
    block: tuple[Count, Count, Count] | None = None
    cluster: tuple[Count, Count, Count] | None = Field(
        default=None, description="None: no clusters."
    )
    registers_per_thread: Count | None = None
    static_shared_bytes: Count | None = Field(default=None, description="Per block.")
    dynamic_shared_bytes: Count | None = Field(default=None, description="Per block.")
    waves_per_sm: float | None = Field(
        default=None, description="Full waves of blocks; below 1 the device is not filled."
    )
    sm_count: Count | None = None


class StallUnit(StrEnum):
    """The two forms in which stalls are measured. They are never mixed in one list."""

    CYCLES_PER_ISSUE = "cycles_per_issue"
    SAMPLE_SHARE_PCT = "sample_share_pct"


class Stall(Model):
    """Why warps did not issue."""

    reason: str
    value: float
    unit: StallUnit
    share_pct: float | None = Field(
        default=None, description="Of the whole warp latency, or of all samples."
    )


class SpeedupScope(StrEnum):
    """What an estimate refers to. Estimates of different rules do not add up."""

    LOCAL = "local"
    GLOBAL = "global"


class RuleKind(StrEnum):
    """What kind of message a rule gave."""

    NONE = "none"
    OK = "ok"
    OPTIMIZATION = "optimization"
    WARNING = "warning"
    ERROR = "error"


class Rule(Model):
    """One result of NVIDIA's own rules, stored in the report when it was captured."""

    name: str
    section: str
    kind: RuleKind
    title: str = ""
    message: str = ""
    estimated_speedup_pct: float | None = None
    scope: SpeedupScope | None = None


class Metric(Model):
    """A measured value with its unit, as the report gives them."""

    value: float
    unit: str = ""


class KernelProfile(Model):
    """One profiled launch. Profiled time is not benchmark time."""

    index: int = Field(description="Place in the report, over all ranges.")
    name: Name = Field(description="Demangled, with arguments.")
    short_name: Name
    launch: Launch = Launch()
    duration_us: float | None = Field(default=None, description="Profiled, not benchmarked.")
    compute_throughput_pct: float | None = Field(default=None, description="Speed of light, SM.")
    memory_throughput_pct: float | None = Field(
        default=None, description="Speed of light of the busiest memory unit."
    )
    dram_throughput_pct: float | None = None
    l1_hit_pct: float | None = None
    l2_hit_pct: float | None = None
    achieved_occupancy_pct: float | None = None
    theoretical_occupancy_pct: float | None = None
    occupancy_limiter: str | None = Field(
        default=None, description="What bounds resident blocks: warps, registers, shared_mem, …"
    )
    stalls: tuple[Stall, ...] = Field(default=(), description="Longest first, at most five.")
    rules: tuple[Rule, ...] = Field(
        default=(), description="Empty also when the capture ran without rules."
    )
    metrics: Mapping[str, Metric] = Field(
        default_factory=dict, description="What the findings look at, by NVIDIA's names."
    )
    warnings: tuple[str, ...] = ()

    def metric(self, *names: str) -> float | None:
        """The first of these metrics that the report holds."""
        for name in names:
            if name in self.metrics:
                return self.metrics[name].value
        return None

    def brief(self) -> KernelProfile:
        """The same without raw metrics, and with the first words of NVIDIA's advice only."""
        rules = tuple(
            rule.model_copy(update={"message": rule.message[:BRIEF_CHARACTERS]})
            for rule in self.rules
            if rule.kind in (RuleKind.OPTIMIZATION, RuleKind.WARNING, RuleKind.ERROR)
        )
        return self.model_copy(update={"metrics": {}, "rules": rules})


class ReportSummary(Model):
    """One report: every action of every range."""

    format: str = "ncu-rep"
    ncu_version: str | None = Field(default=None, description="Of the writer, when recorded.")
    reader_version: str | None = None
    device: str | None = None
    kernels: tuple[KernelProfile, ...] = ()
    warnings: tuple[str, ...] = ()


class Severity(StrEnum):
    """How much a finding matters."""

    HIGH = "high"
    MEDIUM = "medium"
    LOW = "low"
    INFO = "info"


class Evidence(Model):
    """A number that a finding rests on."""

    metric: str
    value: float
    unit: str


class Finding(Model):
    """What the profile shows, why we think so, what to try first, and when that is wrong."""

    id: str
    title: str
    severity: Severity
    rank: int = 0
    evidence: tuple[Evidence, ...] = ()
    advice: str
    caveat: str = ""
    wiki_query: str = Field(default="", description="Ask search_wiki this.")
