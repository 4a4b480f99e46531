"""What changed in the machine code from one solution to another, for the same target."""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.build.models import Change, KernelReport, TargetReport

MAX_KINDS = 8


def compare(before: TargetReport, after: TargetReport) -> tuple[Change, ...]:
    """Every figure that differs, kernel by kernel.

    Kernels are matched by name, or, where each solution has just one, as they are.
    """
    old = {kernel.name: kernel for kernel in before.kernels}
    if len(before.kernels) == len(after.kernels) == 1:
        pairs = [(before.kernels[0], after.kernels[0])]
    else:
        pairs = [(old[k.name], k) for k in after.kernels if k.name in old]
    found = [change for pair in pairs for change in _changes(*pair)]
    matched = {kernel.name for pair in pairs for kernel in pair}
    found += [
        Change(kernel=kernel.name, what="kernel", before=was, after=now)
        for kernels, was, now in (
            (before.kernels, "present", None),
            (after.kernels, None, "present"),
        )
        for kernel in kernels
        if kernel.name not in matched
    ]
    return tuple(found)


def _changes(before: KernelReport, after: KernelReport) -> Iterator[Change]:
    for what in _figures(before) | _figures(after):
        was, now = _figures(before).get(what), _figures(after).get(what)
        if was != now:
            yield Change(kernel=after.name, what=what, before=was, after=now)
    kinds = before.mix.keys() | after.mix.keys()
    moved = {kind: after.mix.get(kind, 0) - before.mix.get(kind, 0) for kind in kinds}
    largest = sorted((k for k in moved if moved[k]), key=lambda kind: (-abs(moved[kind]), kind))
    for kind in largest[:MAX_KINDS]:
        yield Change(
            kernel=after.name,
            what=f"{kind} instructions",
            before=before.mix.get(kind, 0),
            after=after.mix.get(kind, 0),
        )


def _figures(kernel: KernelReport) -> dict[str, int | float | str | None]:
    figures: dict[str, int | float | str | None] = {
        "registers": kernel.registers,
        "spill bytes": kernel.spill_bytes,
        "stack bytes": kernel.stack_bytes,
        "static shared bytes": kernel.static_shared_bytes,
        "dynamic shared bytes": kernel.dynamic_shared_bytes,
        "tensor path": kernel.tensor.path if kernel.tensor else None,
        "instructions": kernel.instructions,
        "loads": _widths(kernel.global_loads),
        "stores": _widths(kernel.global_stores),
    }
    for size in kernel.occupancy:
        figures[f"occupancy % at {size.block_threads} threads"] = size.pct
    return figures


def _widths(counts: dict[int, int]) -> str | None:
    """Such as `8 of 128 bits, 2 of 32 bits`."""
    return ", ".join(f"{n} of {bits} bits" for bits, n in sorted(counts.items())[::-1]) or None
