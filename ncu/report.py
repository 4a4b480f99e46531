"""What a profile says, as data: the models that every other module of `ncu` speaks.

A metric that the report does not hold is `None`, never 0: a report captured with a smaller section
set must not look like a kernel without the problem. Values that cannot be true (a hit rate of
101.6 %) are kept as measured and named in `warnings`. Nothing here reads files.
"""

from __future__ import annotations

from collections.abc import Mapping
from enum import StrEnum
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

Name = Annotated[str, StringConstraints(max_length=4096)]
BRIEF_CHARACTERS, BRIEF_RULES, BRIEF_SPOTS = 120, 3, 3
Section = Literal["lines", "instructions", "timeline", "rules", "metrics"]
"""What can be asked for in full."""
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


class HotSpot(Model):
    """A place in the code, by its share of the samples."""

    where: str = Field(description="file:line, or offset and instruction.")
    line: str | None = Field(default=None, description="file:line of an instruction.")
    share_pct: float
    reasons: Mapping[str, float] = Field(description="Why warps were there, in % of its samples.")


class HotSpots(Model):
    """Where warps wait, from samples of the program counter."""

    samples: Count
    lines: tuple[HotSpot, ...] = Field(description="Empty without line information.")
    instructions: tuple[HotSpot, ...]
    note: str = ""

    def first(self, count: int) -> HotSpots:
        """The hottest of each."""
        hottest = {"lines": self.lines[:count], "instructions": self.instructions[:count]}
        return self.model_copy(update=hottest)

    def at(self, line: str) -> HotSpots:
        """What is known of one source line, as `file:line`."""
        return self.model_copy(
            update={
                "lines": tuple(spot for spot in self.lines if spot.where == line),
                "instructions": tuple(spot for spot in self.instructions if spot.line == line),
            }
        )


class Series(Model):
    """One sampled quantity over time. Null: too few samples to say."""

    name: str
    samples: Count = Field(description="While it was active.")
    plateau: float = Field(description="Median while active; percent, or cycles for active SMs.")
    ramp_us: float | None = Field(description="Until 80 % of the plateau.")
    tail_us: float | None = Field(description="After the last time at 80 % of the plateau.")
    sawtooth: bool | None = Field(description="Swings in the middle: bubbles in a pipeline.")
    plot: str


class Timeline(Model):
    """What PM sampling shows. Series come from passes of their own and share no clock."""

    interval_us: float
    series: tuple[Series, ...]
    note: str = ""


class Roofline(Model):
    """Position under the roofline, by the report's own peaks at the capture's clocks."""

    kind: str = Field(description="The arithmetic that comes closest to its peak.")
    achieved_tera_ops: float = Field(description="10^12 operations a second.")
    peak_tera_ops: float
    dram_gb_per_s: float
    peak_dram_gb_per_s: float
    ops_per_byte: float | None = Field(description="Of DRAM traffic; null: there was none.")
    ridge_ops_per_byte: float
    side: str = Field(description="memory: left of the ridge; compute: right of it.")
    roof_pct: float = Field(description="Of what this intensity allows.")


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
    hot: HotSpots | None = Field(default=None, description="Null: captured without sampling.")
    timeline: Timeline | None = Field(default=None, description="Null: without PM sampling.")
    roofline: Roofline | None = Field(default=None, description="Null: metrics are missing.")
    warnings: tuple[str, ...] = ()

    def metric(self, *names: str) -> float | None:
        """The first of these metrics that the report holds."""
        for name in names:
            if name in self.metrics:
                return self.metrics[name].value
        return None

    def brief(self, section: Section | None = None, line: str | None = None) -> KernelProfile:
        """The same with little detail, but for one section; or with what is known of one line."""
        hot = self.hot
        if hot is not None and line is not None:
            hot = hot.at(line)
        elif hot is not None and section not in ("lines", "instructions"):
            hot = hot.first(BRIEF_SPOTS)
        rules = tuple(
            rule
            if section == "rules"
            else rule.model_copy(update={"message": rule.message[:BRIEF_CHARACTERS]})
            for rule in self.rules
            if rule.kind in (RuleKind.OPTIMIZATION, RuleKind.WARNING, RuleKind.ERROR)
        )
        return self.model_copy(
            update={
                "hot": hot,
                "rules": rules if section == "rules" else rules[:BRIEF_RULES],
                "timeline": self.timeline if section == "timeline" else None,
                "metrics": self.metrics if section == "metrics" else {},
            }
        )


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


class Delta(Model):
    """A quantity that both profiles have."""

    what: str
    unit: str
    before: float
    after: float
    change_pct: float | None = Field(description="Null: it was 0 before.")
    better: bool | None = Field(description="Null: whether it is good depends.")


class ProfileComparison(Model):
    """What changed from one profiled kernel to another."""

    before: Name
    after: Name
    deltas: tuple[Delta, ...] = Field(description="What moved by more than the noise.")
    findings_gone: tuple[str, ...]
    findings_new: tuple[str, ...]
    hypothesis: Literal["supported", "refuted", "unresolved"] | None = Field(
        description="Whether the finding that was to go went, and the time with it."
    )
