"""What an expert looks at first in a kernel's machine code: one function a hint.

A hint is a reason to look, not a verdict; each says what to try. Thresholds are judgements and stand
here, nowhere else.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from sandbox.build import sass
from sandbox.build.disassemble import Instruction
from sandbox.build.models import Hint, KernelReport
from sandbox.build.occupancy import chip_of, registers_for_more, residency

WIDE_BITS = 64
MATMUL_FFMA, MATMUL_SHARE = 8, 0.3
CLIFF_REGISTERS = 8
MANY_REGISTERS = 56


@dataclass(frozen=True)
class Subject:
    """A kernel's report so far, its code, and what it was compiled for."""

    report: KernelReport
    code: tuple[Instruction, ...]
    loops: tuple[sass.Loop, ...]
    target: str
    local_bytes_known: bool


def hints(subject: Subject) -> tuple[Hint, ...]:
    """All that apply, most important first."""
    found = (
        _spills,
        _local_array,
        _no_tensor_cores,
        _old_tensor_path,
        _narrow_loads,
        _fp64,
        _occupancy_cliff,
        _launch_bounds,
        _generic,
    )
    return tuple(hint for look in found for hint in look(subject))


def _spills(s: Subject) -> Iterator[Hint]:
    if s.report.spill_bytes:
        yield Hint(
            id="spills",
            message=f"{s.report.spill_store_bytes} bytes of spill stores and "
            f"{s.report.spill_load_bytes} of spill loads, at {s.report.registers} registers.",
            advice="Shorten live ranges, use smaller tiles, or allow more registers "
            "(__launch_bounds__ with fewer blocks, a larger maxrregcount).",
        )


def _local_array(s: Subject) -> Iterator[Hint]:
    accesses = s.report.mix.get("local.load", 0) + s.report.mix.get("local.store", 0)
    if accesses and not s.report.spill_bytes:
        cause = (
            "an array that is indexed at run time lives in local memory"
            if s.local_bytes_known
            else "spilled registers, or an array that is indexed at run time"
        )
        yield Hint(
            id="local-memory",
            message=f"{accesses} accesses of local memory: {cause}.",
            advice="Unroll so that every index is known when compiling, or keep it in shared memory.",
        )


def _no_tensor_cores(s: Subject) -> Iterator[Hint]:
    if s.report.tensor is not None:
        return
    for loop in sass.innermost(s.loops):
        mix = sass.mix(loop.body)
        products = mix.get("ffma", 0) + mix.get("fp16", 0)
        loads = mix.get("shared.load", 0) + mix.get("global.load", 0)
        if products >= MATMUL_FFMA and products >= MATMUL_SHARE * len(loop.body) and loads:
            yield Hint(
                id="no-tensor-cores",
                message=f"The loop {_place(loop)} does {products} multiply-adds of "
                f"{len(loop.body)} instructions on the ordinary pipes, and no tensor core is used.",
                advice="If it is a matrix product: tcgen05 (sm_100a), wgmma (sm_90a) or mma.sync.",
            )
            return


def _old_tensor_path(s: Subject) -> Iterator[Hint]:
    tensor, native = s.report.tensor, sass.native_path(s.target)
    if tensor is not None and native is not None and tensor.path != native:
        yield Hint(
            id="not-native-tensor-path",
            message=f"Tensor cores are used through {tensor.path}, not through {native}, which "
            f"{s.target} needs for its full rate.",
            advice=f"Write the inner product with {native} (PTX, CUTLASS, CuTe DSL), or with "
            "tl.dot in a Triton new enough for this target.",
        )


def _narrow_loads(s: Subject) -> Iterator[Hint]:
    for loop in sass.innermost(s.loops):
        loads = sass.widths(loop.body, "global.load")
        if loads and max(loads) < WIDE_BITS and not sass.tensor_use(loop.body):
            bits = max(loads)
            yield Hint(
                id="narrow-loads",
                message=f"The loop {_place(loop)} loads at most {bits} bits a thread at once "
                f"({sum(loads.values())} loads).",
                advice="Where neighbouring threads read neighbouring addresses, load 16 bytes a "
                "thread (float4, uint4, or 32 bytes on sm_100a), or whole tiles by TMA.",
            )
            return


def _fp64(s: Subject) -> Iterator[Hint]:
    count = s.report.mix.get("fp64", 0)
    if count:
        yield Hint(
            id="fp64",
            message=f"{count} double-precision instructions.",
            advice="If the kernel is meant for lower precision: literals need an f (1.0f), and "
            "math functions their float form (expf).",
        )


def _occupancy_cliff(s: Subject) -> Iterator[Hint]:
    chip = chip_of(s.target)
    for size in s.report.occupancy:
        shared = s.report.static_shared_bytes + (s.report.dynamic_shared_bytes or 0)
        fewer = registers_for_more(chip, size.block_threads, s.report.registers, shared)
        if fewer is None or s.report.registers - fewer > CLIFF_REGISTERS:
            continue
        better = residency(chip, size.block_threads, fewer, shared)
        yield Hint(
            id="occupancy-cliff",
            message=f"With {size.block_threads} threads a block, {s.report.registers} registers "
            f"allow {size.pct:.0f} % occupancy; {fewer} would allow {better.pct:.0f} %.",
            advice=f"If the kernel waits for memory: save {s.report.registers - fewer} registers, or "
            f"cap them (__launch_bounds__({size.block_threads}, {better.blocks}); in Triton "
            f"maxnreg={fewer}). Tensor-core kernels run at low occupancy on purpose.",
        )
        return


def _launch_bounds(s: Subject) -> Iterator[Hint]:
    crowded = s.report.spill_bytes or s.report.registers >= MANY_REGISTERS
    if s.report.max_threads is None and crowded:
        yield Hint(
            id="no-launch-bounds",
            message="No __launch_bounds__: the compiler must assume blocks of 1024 threads, which "
            "leaves 64 registers a thread.",
            advice="Declare the block size that you launch.",
        )


def _generic(s: Subject) -> Iterator[Hint]:
    count = s.report.mix.get("generic.load", 0) + s.report.mix.get("generic.store", 0)
    if count:
        yield Hint(
            id="generic-addresses",
            message=f"{count} accesses through generic addresses: the compiler does not know which "
            "memory they are in.",
            advice="Let each pointer point into one kind of memory; __restrict__ and inlining help.",
        )


def _place(loop: sass.Loop) -> str:
    return f"at {loop.lines}" if loop.lines else f"at {loop.head:#06x}"
