"""The known bottleneck patterns, one entry each: what shows it, what to try first, when not to.

Data only: `ncu.scores` decides when a pattern holds, and `sections` says what to capture where it
cannot tell. A pattern is a hint where to look, never a verdict.
"""

from __future__ import annotations

from dataclasses import dataclass

from ncu import scores, signals
from ncu.report import Severity
from ncu.scores import Score

HIGH_SCORE, MEDIUM_SCORE = 75, 50

TABLES, WARPS, SOL = "MemoryWorkloadAnalysis_Tables", "WarpStateStats", "SpeedOfLight"
OCCUPANCY, PIPES, LAUNCH = "Occupancy", "ComputeWorkloadAnalysis", "LaunchStats"


@dataclass(frozen=True)
class Pattern:
    """One bottleneck. `evidence` names metrics, fields of the profile or `stall:REASON`."""

    id: str
    title: str
    score: Score
    evidence: tuple[str, ...]
    advice: str
    caveat: str
    wiki_query: str
    sections: tuple[str, ...]
    severity: Severity | None = None

    def weigh(self, score: float) -> Severity:
        """Fixed for observations that are no problem, else by score."""
        if self.severity is not None:
            return self.severity
        if score >= HIGH_SCORE:
            return Severity.HIGH
        return Severity.MEDIUM if score >= MEDIUM_SCORE else Severity.LOW


_GLOBAL = "l1tex__t_{}_pipe_lsu_mem_global_op_{}.sum"

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        id="local-memory",
        title="Local memory traffic: spilled registers or arrays indexed at run time",
        score=scores.local_memory,
        evidence=(
            signals.SECTORS.format("local", "ld"),
            signals.SECTORS.format("local", "st"),
            signals.SPILL_REQUESTS,
            "registers_per_thread",
        ),
        advice="See what the compiler reports as spills. None: a per-thread array is indexed by "
        "a value unknown at compile time; unroll, or move it to shared memory. Some: shorten "
        "live ranges, smaller tiles, raise the register cap (__launch_bounds__).",
        caveat="Little local traffic that stays in L1 can cost less than lower occupancy.",
        wiki_query="register spill local memory launch bounds",
        sections=(TABLES,),
    ),
    Pattern(
        id="uncoalesced-stores",
        title="Uncoalesced stores: most bytes of each sector are not used",
        score=scores.uncoalesced("st"),
        evidence=(
            "sectors_per_request_st",
            signals.BYTES_PER_SECTOR.format("st"),
            _GLOBAL.format("sectors", "st"),
        ),
        advice="Make neighbouring threads store to neighbouring addresses: swap the index order, "
        "or transpose a tile in shared memory and write it out by rows.",
        caveat="Scatter by data cannot be coalesced; sort or pack first, if at all.",
        wiki_query="coalesced global memory access transpose shared memory",
        sections=(TABLES,),
    ),
    Pattern(
        id="uncoalesced-loads",
        title="Uncoalesced loads: most bytes of each sector are not used",
        score=scores.uncoalesced("ld"),
        evidence=(
            "sectors_per_request_ld",
            signals.BYTES_PER_SECTOR.format("ld"),
            _GLOBAL.format("sectors", "ld"),
        ),
        advice="Make neighbouring threads load neighbouring addresses; use structures of arrays; "
        "load tiles by rows (cp.async, TMA) and index in shared memory.",
        caveat="A gather by data is uncoalesced by nature; reorder the data or raise reuse.",
        wiki_query="coalesced global memory access vectorized loads",
        sections=(TABLES,),
    ),
    Pattern(
        id="bank-conflicts",
        title="Shared-memory bank conflicts",
        score=scores.bank_conflicts,
        evidence=(
            signals.CONFLICTS,
            signals.SHARED_WAVEFRONTS,
            signals.SHARED_BUSY_PCT,
            "stall:mio_throttle",
            "stall:short_scoreboard",
        ),
        advice="Pad the row by one element, or swizzle the index (XOR with the row), so that the "
        "lanes of a warp hit different banks.",
        caveat="Wide accesses (8, 16 bytes a lane) need several wavefronts without any conflict.",
        wiki_query="shared memory bank conflict padding swizzle",
        sections=(TABLES,),
    ),
    Pattern(
        id="latency-bound",
        title="Latency-bound: warps wait for loads while bandwidth is left",
        score=scores.latency,
        evidence=(
            "stall:long_scoreboard",
            "dram_throughput_pct",
            "memory_throughput_pct",
            "achieved_occupancy_pct",
        ),
        advice="More loads in flight: unroll so that independent loads are issued together, "
        "prefetch (cp.async, TMA, several stages), more warps per SM.",
        caveat="Pointer chasing has no independent loads: change the data structure, or run more "
        "chains side by side.",
        wiki_query="hide memory latency prefetch cp.async TMA pipeline stages",
        sections=(WARPS, SOL, TABLES),
    ),
    Pattern(
        id="small-grid",
        title="Small grid: too few blocks to fill the device",
        score=scores.small_grid,
        evidence=("blocks", "sm_count", "waves_per_sm"),
        advice="Split the work further (along K, heads, the sequence), use smaller blocks, or "
        "batch launches.",
        caveat="Batch-1 decoding may have no more parallelism; then latency per block counts.",
        wiki_query="small grid split-k persistent kernel occupancy",
        sections=(LAUNCH,),
    ),
    Pattern(
        id="tail-wave",
        title="Tail: the last wave of blocks leaves SMs idle",
        score=scores.tail,
        evidence=("waves_per_sm", "blocks", "sm_count"),
        advice="Choose a block size or tile that gives whole waves, or a persistent kernel that "
        "fetches tiles until none is left.",
        caveat="Assumes blocks of equal length; with many waves the tail vanishes.",
        wiki_query="wave quantization tail effect persistent tile scheduler",
        sections=(LAUNCH,),
    ),
    Pattern(
        id="barrier",
        title="Warps wait at barriers",
        score=scores.barrier,
        evidence=("stall:barrier",),
        advice="Synchronise fewer warps or less often: warp-level primitives, several buffers, "
        "mbarriers instead of __syncthreads.",
        caveat="Warps that wait for a slow load show up here as well: fix the load first.",
        wiki_query="barrier stall mbarrier warp specialization",
        sections=(WARPS,),
    ),
    Pattern(
        id="divergence",
        title="Divergence: few threads of each warp are active",
        score=scores.divergence,
        evidence=(signals.THREADS_PER_INSTRUCTION,),
        advice="Regroup work so that the lanes of a warp take the same branch.",
        caveat="The last steps of a reduction look like this and cost little.",
        wiki_query="warp divergence branch",
        sections=(WARPS,),
    ),
    Pattern(
        id="fp64",
        title="Double-precision arithmetic is in use",
        score=scores.fp64,
        evidence=(signals.PIPE_PCT.format("fp64"),),
        advice="If the kernel is meant for lower precision, look for literals without f and for "
        "double math functions.",
        caveat="Right where the definition asks for double precision.",
        wiki_query="fp64 double precision literal",
        sections=(PIPES,),
    ),
    Pattern(
        id="occupancy-limited",
        title="Occupancy is limited by {limiter}",
        score=scores.occupancy,
        evidence=(
            "theoretical_occupancy_pct",
            "achieved_occupancy_pct",
            "registers_per_thread",
            "static_shared_bytes",
            "dynamic_shared_bytes",
        ),
        advice="If warps also wait for memory: use less of the limiting resource per block.",
        caveat="Persistent kernels with one block per SM and tensor-core kernels run at low "
        "occupancy on purpose.",
        wiki_query="occupancy registers shared memory limit",
        sections=(OCCUPANCY,),
    ),
    Pattern(
        id="occupancy-unfilled",
        title="Achieved occupancy is far below the theoretical one",
        score=scores.unfilled_occupancy,
        evidence=("achieved_occupancy_pct", "theoretical_occupancy_pct", "waves_per_sm"),
        advice="Look for imbalance between blocks, a short kernel or too small a grid.",
        caveat="A consequence more often than a cause; short kernels always show it.",
        wiki_query="load imbalance achieved occupancy",
        sections=(OCCUPANCY,),
    ),
    Pattern(
        id="dram-bound",
        title="DRAM-bound: at {dram:.0f} % of peak bandwidth, it is used well",
        score=scores.dram_bound,
        evidence=("dram_throughput_pct", "memory_throughput_pct", "l2_hit_pct"),
        advice="Little to gain from tuning. Move fewer bytes: fuse with the neighbouring kernel, "
        "narrower types, more reuse in L2 or shared memory.",
        caveat="Good only if the bytes moved are the fewest possible: compare with the "
        "definition's inputs and outputs.",
        wiki_query="memory bound roofline kernel fusion",
        sections=(SOL, TABLES),
        severity=Severity.INFO,
    ),
    Pattern(
        id="dram-busy",
        title="DRAM is busy ({dram:.0f} % of peak); whether with useful bytes was not measured",
        score=scores.dram_busy,
        evidence=("dram_throughput_pct", "memory_throughput_pct"),
        advice="Find out first whether bytes are wasted: capture the memory tables, which show "
        "uncoalesced accesses and local memory.",
        caveat="A kernel that wastes bandwidth and one that uses it well look the same here.",
        wiki_query="memory bound coalesced access roofline",
        sections=(SOL,),
        severity=Severity.LOW,
    ),
    Pattern(
        id="cache-bound",
        title="A cache or its interface is busier than DRAM",
        score=scores.cache_bound,
        evidence=(
            "memory_throughput_pct",
            "dram_throughput_pct",
            "lts__throughput.avg.pct_of_peak_sustained_elapsed",
            "l1tex__throughput.avg.pct_of_peak_sustained_active",
        ),
        advice="See whether accesses waste sectors or conflict in shared memory; if neither, "
        "keep more in registers and reuse each loaded value more.",
        caveat="Says which level is busy, not why; the memory tables say that.",
        wiki_query="L2 L1 throughput data reuse register tiling",
        sections=(SOL,),
    ),
    Pattern(
        id="compute-bound",
        title="Compute-bound: at {compute:.0f} % of the SM's peak",
        score=scores.compute_bound,
        evidence=(
            "compute_throughput_pct",
            signals.PIPE_PCT.format("fma"),
            signals.PIPE_PCT.format("tensor"),
            "smsp__issue_active.avg.pct_of_peak_sustained_active",
        ),
        advice="Little to gain from memory tuning. Do less arithmetic: cheaper instructions, "
        "lower precision, tensor cores where the operation allows.",
        caveat="Busy pipes may compute what need not be computed.",
        wiki_query="compute bound instruction throughput tensor core",
        sections=(SOL,),
        severity=Severity.INFO,
    ),
    Pattern(
        id="tensor-idle",
        title="FMA pipe busy, tensor cores idle",
        score=scores.tensor_idle,
        evidence=(signals.PIPE_PCT.format("fma"), signals.PIPE_PCT.format("tensor")),
        advice="If this is a matrix product: use mma, wgmma or tcgen05 with the input types it "
        "allows.",
        caveat="Only for matrix products of useful size. Other arithmetic cannot use them, and "
        "older metric names miss wgmma and tcgen05.",
        wiki_query="tensor core wgmma tcgen05 mma",
        sections=(PIPES,),
    ),
    Pattern(
        id="atomics",
        title="Atomic operations are what warps wait for",
        score=scores.atomics,
        evidence=(
            "atomic_share_pct",
            signals.ATOMIC_BUSY_PCT.format("max"),
            "stall:lg_throttle",
        ),
        advice="Reduce first in registers (shuffles), then in shared memory, and do one atomic a "
        "block; or write partial results and add them in a second step.",
        caveat="Few atomics to many addresses cost little; order of addition changes rounding.",
        wiki_query="atomics hierarchical reduction",
        sections=(TABLES,),
    ),
    Pattern(
        id="imbalance",
        title="SMs finish at different times: the average one idles {idle:.0f} % of the time",
        score=scores.imbalance,
        evidence=(
            signals.SM_CYCLES.format("avg"),
            signals.SM_CYCLES.format("max"),
            "waves_per_sm",
            "blocks",
        ),
        advice="Give blocks equal work: split long rows or sequences, sort by length, or let a "
        "persistent kernel fetch work until none is left.",
        caveat="Short kernels always show some; a second kernel beside it hides it.",
        wiki_query="load imbalance persistent tile scheduler split-k",
        sections=(SOL,),
    ),
    Pattern(
        id="pipeline-bubbles",
        title="Activity swings between busy and idle: copying and computing do not overlap",
        score=scores.bubbles,
        evidence=("compute_throughput_pct", "memory_throughput_pct", "stall:barrier"),
        advice="More stages in flight (cp.async, TMA with mbarriers), a producer warp of its own, or "
        "a second buffer, so that the next tile loads while this one is used.",
        caveat="Blocks that run in step show the same without any bubble inside a block.",
        wiki_query="software pipeline stages double buffering warp specialization",
        sections=("PmSampling",),
    ),
    Pattern(
        id="short-kernel",
        title="It lasts {duration:.1f} µs: launching costs as much",
        score=scores.too_short,
        evidence=("duration_us",),
        advice="Fuse it with its neighbours, launch it from a CUDA graph, or overlap its start with "
        "programmatic dependent launch.",
        caveat="Shares and rates of so short a kernel are rough.",
        wiki_query="programmatic dependent launch CUDA graph kernel fusion",
        sections=(SOL,),
    ),
)
