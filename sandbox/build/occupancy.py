"""Theoretical occupancy: how many blocks an SM holds, and what stops it from holding more.

Source of the limits: the CUDA programming guide's tables of compute capabilities. Registers are
given to warps in units of 256; from compute capability 8.0 the system keeps 1 KiB of shared memory
for itself in each block.
"""

from __future__ import annotations

from dataclasses import dataclass

WARP = 32
REGISTERS = 65536
REGISTER_UNIT = 256
SHARED_RESERVED = 1024
SHARED_UNIT = 128


@dataclass(frozen=True)
class Chip:
    """Limits of one SM."""

    warps: int
    blocks: int
    shared_bytes: int


_CHIPS = {
    80: Chip(warps=64, blocks=32, shared_bytes=164 << 10),
    90: Chip(warps=64, blocks=32, shared_bytes=228 << 10),
    100: Chip(warps=64, blocks=32, shared_bytes=228 << 10),
    103: Chip(warps=64, blocks=32, shared_bytes=228 << 10),
    120: Chip(warps=48, blocks=24, shared_bytes=100 << 10),
}


@dataclass(frozen=True)
class Residency:
    """What fits on an SM."""

    blocks: int
    warps: int
    pct: float
    limiter: str


def chip_of(target: str) -> Chip:
    """The limits of a target such as `sm_100a`."""
    return _CHIPS[int(target.removeprefix("sm_").rstrip("af"))]


def residency(chip: Chip, threads: int, registers: int, shared_bytes: int) -> Residency:
    """Blocks of `threads` that one SM holds at once.

    Args:
        chip: limits of the SM.
        threads: per block, at least 1.
        registers: per thread.
        shared_bytes: per block, static and dynamic, without what the system reserves.
    """
    warps = -(-threads // WARP)
    per_warp = -(-registers * WARP // REGISTER_UNIT) * REGISTER_UNIT
    per_block = -(-(shared_bytes + SHARED_RESERVED) // SHARED_UNIT) * SHARED_UNIT
    limits = {
        "warps": chip.warps // warps,
        "blocks": chip.blocks,
        # Each of the four schedulers has a quarter of the registers for its own warps.
        "registers": 4 * (REGISTERS // 4 // per_warp) // warps if per_warp else chip.blocks,
        "shared memory": chip.shared_bytes // per_block,
    }
    limiter = min(limits, key=lambda name: limits[name])
    blocks = limits[limiter]
    return Residency(blocks, blocks * warps, 100.0 * blocks * warps / chip.warps, limiter)


def registers_for_more(chip: Chip, threads: int, registers: int, shared_bytes: int) -> int | None:
    """The most registers per thread at which more blocks fit; None if registers are not the limit."""
    now = residency(chip, threads, registers, shared_bytes)
    if now.limiter != "registers":
        return None
    for fewer in range(registers - 1, 15, -1):
        if residency(chip, threads, fewer, shared_bytes).blocks > now.blocks:
            return fewer
    return None
