"""When each pattern holds, and how badly: one function a pattern, thresholds included.

A score is a weight from 0 (does not hold) to 100, or None: the report lacks what the pattern
needs. Thresholds are judgements; they are written here and nowhere else.
"""

from __future__ import annotations

from collections.abc import Callable

from ncu import signals
from ncu.report import KernelProfile

Score = Callable[[KernelProfile], float | None]


def local_memory(k: KernelProfile) -> float | None:
    share = signals.local_share(k)
    if share is None:
        return None
    return 60 + 40 * share if share > 0.05 else 0


def uncoalesced(op: str) -> Score:
    def score(k: KernelProfile) -> float | None:
        share = signals.wasted_share(k, op)
        if share is None:
            return None
        waiting = signals.stall_share(k, "long_scoreboard", "lg_throttle")
        matters = waiting is None or waiting >= 20 or (k.memory_throughput_pct or 0) >= 20
        return 50 + 45 * share if share > 0.2 and matters else 0

    return score


def bank_conflicts(k: KernelProfile) -> float | None:
    share = signals.conflict_share(k)
    if share is None:
        return None
    busy = k.metric(signals.SHARED_BUSY_PCT)
    waiting = signals.stall_share(k, "mio_throttle", "short_scoreboard")
    matters = (busy or 0) >= 10 or (waiting or 0) >= 20 or (busy is None and waiting is None)
    return 55 + 45 * share if share >= 0.2 and matters else 0


def latency(k: KernelProfile) -> float | None:
    waiting = signals.stall_share(k, "long_scoreboard")
    useful = signals.useful_dram_pct(k)
    if waiting is None or useful is None:
        return None
    queued = signals.stall_share(k, "lg_throttle", "mio_throttle", "tex_throttle") or 0.0
    memory, compute = k.memory_throughput_pct or 0.0, k.compute_throughput_pct or 0.0
    local = signals.local_share(k) or 0.0
    holds = waiting > 40 and useful < 40 and memory < 60 and compute < 60 and queued < 20
    return 60 + 0.4 * waiting if holds and local < 0.5 else 0


def small_grid(k: KernelProfile) -> float | None:
    blocks, sms, waves = signals.blocks(k), k.launch.sm_count, k.launch.waves_per_sm
    if blocks is None or (sms is None and waves is None):
        return None
    if sms is not None and blocks < sms:
        return 98 - 15 * blocks / sms
    return 50 if waves is not None and waves < 0.5 else 0


def tail(k: KernelProfile) -> float | None:
    idle = signals.idle_in_last_wave(k)
    if idle is None:
        return None
    return 40 + 50 * idle if idle > 0.2 else 0


def barrier(k: KernelProfile) -> float | None:
    waiting = signals.stall_share(k, "barrier")
    if waiting is None:
        return None
    return 35 + 0.4 * waiting if waiting > 20 else 0


def divergence(k: KernelProfile) -> float | None:
    threads = k.metric(signals.THREADS_PER_INSTRUCTION)
    if threads is None:
        return None
    return 45 + 45 * (1 - threads / 32) if threads < 24 else 0


def fp64(k: KernelProfile) -> float | None:
    busy = k.metric(signals.PIPE_PCT.format("fp64"))
    if busy is None:
        return None
    return 55 + 0.4 * busy if busy > 5 else 0


def occupancy(k: KernelProfile) -> float | None:
    most, limiter = k.theoretical_occupancy_pct, k.occupancy_limiter
    if most is None or limiter is None:
        return None
    if most >= 50 or limiter == "warps":
        return 0
    well_used = max(k.compute_throughput_pct or 0, k.dram_throughput_pct or 0) >= 60
    return 25 if well_used else 52


def unfilled_occupancy(k: KernelProfile) -> float | None:
    most, reached = k.theoretical_occupancy_pct, k.achieved_occupancy_pct
    if most is None or reached is None:
        return None
    return 44 if most >= 50 and reached < 0.6 * most else 0


def dram_bound(k: KernelProfile) -> float | None:
    dram, useful = k.dram_throughput_pct, signals.useful_dram_pct(k)
    if dram is None or useful is None:
        return None
    local = signals.local_share(k) or 0.0
    return 45 + 0.3 * dram if dram >= 70 and useful >= 0.75 * dram and local < 0.25 else 0


def dram_busy(k: KernelProfile) -> float | None:
    dram = k.dram_throughput_pct
    if dram is None:
        return None
    known = signals.useful_dram_pct(k) is not None
    return 45 + 0.2 * dram if dram >= 50 and not known else 0


def cache_bound(k: KernelProfile) -> float | None:
    memory, dram = k.memory_throughput_pct, k.dram_throughput_pct
    if memory is None or dram is None:
        return None
    return 40 + 0.2 * memory if memory >= 60 and dram < memory - 15 else 0


def compute_bound(k: KernelProfile) -> float | None:
    compute = k.compute_throughput_pct
    if compute is None:
        return None
    return 45 + 0.3 * compute if compute >= 60 else 0


def tensor_idle(k: KernelProfile) -> float | None:
    tensor = k.metric(signals.PIPE_PCT.format("tensor"))
    fma = k.metric(signals.PIPE_PCT.format("fma"))
    if tensor is None or fma is None:
        return None
    # Some ordinary instructions are booked on a tensor sub-pipe: a few percent mean idle.
    if fma <= 50 or tensor >= 10:
        return 0
    # Operands that come through shared memory again and again: that is how matrix products are done.
    reused = (k.metric(signals.SHARED_BUSY_PCT) or 0) >= 10 and (k.dram_throughput_pct or 0) < 30
    return 70 if reused else 42


def atomics(k: KernelProfile) -> float | None:
    share = signals.atomic_share(k)
    busy = k.metric(signals.ATOMIC_BUSY_PCT.format("max"))  # one slice: few addresses are in one
    if share is None and busy is None:
        return None
    worst = max(share or 0.0, busy or 0.0)
    return 55 + 0.4 * worst if (share or 0.0) >= 20 or (busy or 0.0) >= 30 else 0


def imbalance(k: KernelProfile) -> float | None:
    idle, blocks, sms = signals.idle_share(k), signals.blocks(k), k.launch.sm_count
    if idle is None:
        return None
    if blocks is not None and sms is not None and blocks < sms:
        return 0  # a small grid: another pattern
    if idle <= (signals.idle_in_last_wave(k) or 0.0) + 0.1:
        return 0  # the last wave explains it
    return min(90.0, 45 + 100 * idle) if idle > 0.15 else 0


def bubbles(k: KernelProfile) -> float | None:
    swinging = signals.swinging(k)
    if swinging is None:
        return None
    busy = max(k.compute_throughput_pct or 0.0, k.memory_throughput_pct or 0.0)
    return 58 if swinging and busy < 70 else 0


def too_short(k: KernelProfile) -> float | None:
    if k.duration_us is None:
        return None
    return 95 if k.duration_us < 5 else 0  # whatever else holds, launching it costs more
