"""Quantities that findings rest on, each derived in one place from a profile's metrics.

Every function answers None when the report lacks what it needs. That is what keeps "not measured"
apart from "not a problem".
"""

from __future__ import annotations

import math
import re

from ncu.report import KernelProfile

SECTOR_BYTES = 32
PIPE_PCT = "sm__pipe_{}_cycles_active.avg.pct_of_peak_sustained_active"
SECTORS = "l1tex__t_sectors_pipe_lsu_mem_{}_op_{}.sum"
REQUESTS = "l1tex__t_requests_pipe_lsu_mem_{}_op_{}.sum"
BYTES_PER_SECTOR = "smsp__sass_average_data_bytes_per_sector_mem_global_op_{}.ratio"
CONFLICTS = "l1tex__data_bank_conflicts_pipe_lsu_mem_shared.sum"
SHARED_WAVEFRONTS = "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum"
SHARED_BUSY_PCT = "l1tex__data_pipe_lsu_wavefronts_mem_shared.sum.pct_of_peak_sustained_elapsed"
LOCAL_LOADS = "smsp__sass_inst_executed_op_local_ld.sum"
SPILL_REQUESTS = "derived__local_spilling_requests"
THREADS_PER_INSTRUCTION = "smsp__thread_inst_executed_per_inst_executed.ratio"

ATOMIC_BUSY_PCT = "lts__d_atomic_input_cycles_active.{}.pct_of_peak_sustained_elapsed"
SM_CYCLES = "sm__cycles_active.{}"

_ATOMIC = re.compile(r"(?:@!?U?P\d\s+)?(?:ATOM|RED)[GS]?\b")

# More sectors in one request than 32 threads with 16-byte accesses can need.
WIDEST_ACCESS_SECTORS = 16


def stall_share(kernel: KernelProfile, *reasons: str) -> float | None:
    """Share of warp latency (or samples) that these reasons take, in percent."""
    if not kernel.stalls:
        return None
    return sum(s.share_pct or 0.0 for s in kernel.stalls if s.reason in reasons)


def sectors(kernel: KernelProfile, space: str) -> float | None:
    """L1 sectors of loads and stores of `global` or `local` memory."""
    parts = [kernel.metric(SECTORS.format(space, op)) for op in ("ld", "st")]
    known = [part for part in parts if part is not None]
    return sum(known) if known else None


def local_share(kernel: KernelProfile) -> float | None:
    """Which part of the L1 sectors is local memory, 0 to 1."""
    local, other = sectors(kernel, "local"), sectors(kernel, "global")
    if local is None or other is None:
        return None
    return local / (local + other) if local + other > 0 else 0.0


def sectors_per_request(kernel: KernelProfile, op: str) -> float | None:
    """Sectors touched by one warp-wide access of global memory; 4 is ideal for 4-byte values."""
    count = kernel.metric(SECTORS.format("global", op))
    requests = kernel.metric(REQUESTS.format("global", op))
    if count is None or requests is None:
        return None
    return count / requests if requests >= 1 else 0.0


def waste(kernel: KernelProfile, op: str) -> float | None:
    """Fraction of the bytes of global loads (`ld`) or stores (`st`) that no thread used.

    Taken from bytes per sector where measured; else from sectors per request beyond what the
    widest access needs, which misses milder cases.
    """
    count = kernel.metric(SECTORS.format("global", op))
    if count is None:
        return None
    if count == 0:
        return 0.0
    used = kernel.metric(BYTES_PER_SECTOR.format(op))
    if used is not None:
        return max(0.0, 1.0 - used / SECTOR_BYTES)
    per_request = sectors_per_request(kernel, op)
    if per_request is None:
        return None
    return max(0.0, 1.0 - WIDEST_ACCESS_SECTORS / per_request) if per_request else 0.0


def wasted_share(kernel: KernelProfile, op: str) -> float | None:
    """The waste of one direction, weighted with its part of all L1 sectors, 0 to 1."""
    part = waste(kernel, op)
    count = kernel.metric(SECTORS.format("global", op))
    total = sectors(kernel, "global")
    if part is None or count is None or total is None:
        return None
    total += sectors(kernel, "local") or 0.0
    return part * count / total if total > 0 else 0.0


def useful_dram_pct(kernel: KernelProfile) -> float | None:
    """DRAM throughput, counting only bytes that threads asked for."""
    loads, stores = wasted_share(kernel, "ld"), wasted_share(kernel, "st")
    if kernel.dram_throughput_pct is None or loads is None or stores is None:
        return None
    return kernel.dram_throughput_pct * (1.0 - loads - stores)


def conflict_share(kernel: KernelProfile) -> float | None:
    """Which part of the shared-memory wavefronts only repeats for bank conflicts, 0 to 1."""
    conflicts, wavefronts = kernel.metric(CONFLICTS), kernel.metric(SHARED_WAVEFRONTS)
    if conflicts is None or wavefronts is None:
        return None
    return min(1.0, conflicts / wavefronts) if wavefronts > 0 else 0.0


def blocks(kernel: KernelProfile) -> int | None:
    """Blocks of the grid."""
    if kernel.launch.grid is None:
        return None
    x, y, z = kernel.launch.grid
    return x * y * z


def idle_in_last_wave(kernel: KernelProfile) -> float | None:
    """Which part of the time SMs idle because the last wave of blocks is not full, 0 to 1."""
    waves = kernel.launch.waves_per_sm
    if waves is None:
        return None
    return 1 - waves / math.ceil(waves) if waves > 1 else 0.0


def atomic_share(kernel: KernelProfile) -> float | None:
    """Share of the samples on atomic operations, in percent, as far as they are among the hottest."""
    if kernel.hot is None:
        return None
    return sum(
        spot.share_pct
        for spot in kernel.hot.instructions
        if _ATOMIC.match(spot.where.partition(" ")[2])
    )


def idle_share(kernel: KernelProfile) -> float | None:
    """How long the average SM idles while the busiest still works, 0 to 1."""
    average, longest = (kernel.metric(SM_CYCLES.format(which)) for which in ("avg", "max"))
    if average is None or not longest:
        return None
    return max(0.0, 1.0 - average / longest)


def swinging(kernel: KernelProfile) -> bool | None:
    """Whether instructions, tensor cores or DRAM swing between busy and idle over time."""
    if kernel.timeline is None:
        return None
    judged = [s.sawtooth for s in kernel.timeline.series if s.name != "active SMs"]
    known = [swings for swings in judged if swings is not None]
    return any(known) if known else None
