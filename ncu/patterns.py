"""The known bottleneck patterns, one entry each: when it holds, how badly, what to try, when not.

`score` looks at one profile and answers with a weight (0 to 100; 0: does not hold) or None: the
report lacks what the pattern needs. `sections` then says what to capture. Thresholds are
judgements, written here and nowhere else. A pattern is a hint where to look, never a verdict.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

from ncu import signals
from ncu.report import KernelProfile, Severity

HIGH_SCORE, MEDIUM_SCORE = 75, 50

Score = Callable[[KernelProfile], float | None]

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


def _local_memory(k: KernelProfile) -> float | None:
    share = signals.local_share(k)
    if share is None:
        return None
    return 60 + 40 * share if share > 0.05 else 0


def _uncoalesced(op: str) -> Score:
    def score(k: KernelProfile) -> float | None:
        share = signals.wasted_share(k, op)
        if share is None:
            return None
        return 50 + 45 * share if share > 0.2 else 0

    return score


def _bank_conflicts(k: KernelProfile) -> float | None:
    share = signals.conflict_share(k)
    if share is None:
        return None
    busy = k.metric(signals.SHARED_BUSY_PCT)
    waiting = signals.stall_share(k, "mio_throttle", "short_scoreboard")
    matters = (busy or 0) >= 10 or (waiting or 0) >= 20 or (busy is None and waiting is None)
    return 55 + 45 * share if share >= 0.2 and matters else 0


def _latency(k: KernelProfile) -> float | None:
    waiting = signals.stall_share(k, "long_scoreboard")
    useful = signals.useful_dram_pct(k)
    if waiting is None or useful is None:
        return None
    queued = signals.stall_share(k, "lg_throttle", "mio_throttle", "tex_throttle") or 0.0
    memory, compute = k.memory_throughput_pct or 0.0, k.compute_throughput_pct or 0.0
    local = signals.local_share(k) or 0.0
    holds = waiting > 40 and useful < 40 and memory < 80 and compute < 60 and queued < 20
    return 60 + 0.4 * waiting if holds and local < 0.5 else 0


def _small_grid(k: KernelProfile) -> float | None:
    blocks, sms, waves = signals.blocks(k), k.launch.sm_count, k.launch.waves_per_sm
    if blocks is None or (sms is None and waves is None):
        return None
    if sms is not None and blocks < sms:
        return 98 - 15 * blocks / sms
    return 50 if waves is not None and waves < 0.5 else 0


def _tail(k: KernelProfile) -> float | None:
    waves = k.launch.waves_per_sm
    if waves is None:
        return None
    idle = 1 - waves / math.ceil(waves) if waves > 1 else 0.0
    return 40 + 50 * idle if idle > 0.2 else 0


def _barrier(k: KernelProfile) -> float | None:
    waiting = signals.stall_share(k, "barrier")
    if waiting is None:
        return None
    return 35 + 0.4 * waiting if waiting > 20 else 0


def _divergence(k: KernelProfile) -> float | None:
    threads = k.metric(signals.THREADS_PER_INSTRUCTION)
    if threads is None:
        return None
    return 45 + 45 * (1 - threads / 32) if threads < 24 else 0


def _fp64(k: KernelProfile) -> float | None:
    busy = k.metric(signals.PIPE_PCT.format("fp64"))
    if busy is None:
        return None
    return 45 + 0.4 * busy if busy > 5 else 0


def _occupancy(k: KernelProfile) -> float | None:
    most, limiter = k.theoretical_occupancy_pct, k.occupancy_limiter
    if most is None or limiter is None:
        return None
    if most >= 50 or limiter == "warps":
        return 0
    well_used = max(k.compute_throughput_pct or 0, k.dram_throughput_pct or 0) >= 60
    return 25 if well_used else 52


def _unfilled_occupancy(k: KernelProfile) -> float | None:
    most, reached = k.theoretical_occupancy_pct, k.achieved_occupancy_pct
    if most is None or reached is None:
        return None
    return 44 if most >= 50 and reached < 0.6 * most else 0


def _dram_bound(k: KernelProfile) -> float | None:
    dram, useful = k.dram_throughput_pct, signals.useful_dram_pct(k)
    if dram is None or useful is None:
        return None
    local = signals.local_share(k) or 0.0
    return 45 + 0.3 * dram if dram >= 70 and useful >= 0.75 * dram and local < 0.25 else 0


def _dram_busy(k: KernelProfile) -> float | None:
    dram = k.dram_throughput_pct
    if dram is None:
        return None
    known = signals.useful_dram_pct(k) is not None
    return 45 + 0.2 * dram if dram >= 50 and not known else 0


def _cache_bound(k: KernelProfile) -> float | None:
    memory, dram = k.memory_throughput_pct, k.dram_throughput_pct
    if memory is None or dram is None:
        return None
    return 40 + 0.2 * memory if memory >= 60 and dram < memory - 15 else 0


def _compute_bound(k: KernelProfile) -> float | None:
    compute = k.compute_throughput_pct
    if compute is None:
        return None
    return 45 + 0.3 * compute if compute >= 60 else 0


def _tensor_idle(k: KernelProfile) -> float | None:
    tensor = k.metric(signals.PIPE_PCT.format("tensor"))
    fma = k.metric(signals.PIPE_PCT.format("fma"))
    if tensor is None or fma is None:
        return None
    # Some ordinary instructions are booked on a tensor sub-pipe: a few percent mean idle.
    return 42 if fma > 50 and tensor < 10 else 0


_GLOBAL = "l1tex__t_{}_pipe_lsu_mem_global_op_{}.sum"

PATTERNS: tuple[Pattern, ...] = (
    Pattern(
        id="local-memory",
        title="Local memory traffic: spilled registers or arrays indexed at run time",
        score=_local_memory,
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
        score=_uncoalesced("st"),
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
        score=_uncoalesced("ld"),
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
        score=_bank_conflicts,
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
        score=_latency,
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
        score=_small_grid,
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
        score=_tail,
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
        score=_barrier,
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
        score=_divergence,
        evidence=(signals.THREADS_PER_INSTRUCTION,),
        advice="Regroup work so that the lanes of a warp take the same branch.",
        caveat="The last steps of a reduction look like this and cost little.",
        wiki_query="warp divergence branch",
        sections=(WARPS,),
    ),
    Pattern(
        id="fp64",
        title="Double-precision arithmetic is in use",
        score=_fp64,
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
        score=_occupancy,
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
        score=_unfilled_occupancy,
        evidence=("achieved_occupancy_pct", "theoretical_occupancy_pct", "waves_per_sm"),
        advice="Look for imbalance between blocks, a short kernel or too small a grid.",
        caveat="A consequence more often than a cause; short kernels always show it.",
        wiki_query="load imbalance achieved occupancy",
        sections=(OCCUPANCY,),
    ),
    Pattern(
        id="dram-bound",
        title="DRAM-bound: at {dram:.0f} % of peak bandwidth, it is used well",
        score=_dram_bound,
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
        score=_dram_busy,
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
        score=_cache_bound,
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
        score=_compute_bound,
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
        score=_tensor_idle,
        evidence=(signals.PIPE_PCT.format("fma"), signals.PIPE_PCT.format("tensor")),
        advice="If this is a matrix product: use mma, wgmma or tcgen05 with the input types it "
        "allows.",
        caveat="Only for matrix products of useful size. Other arithmetic cannot use them, and "
        "older metric names miss wgmma and tcgen05.",
        wiki_query="tensor core wgmma tcgen05 mma",
        sections=(PIPES,),
        severity=Severity.LOW,
    ),
)
