"""The least that a call can take on a GPU, whatever its code does; a figure below it is no latency.

It follows from what the problem's operator says that each call must move and compute, and from limits
that no kernel reaches: the memory's theoretical rate, with all of the L2 left out, and the fastest
arithmetic of any type.
"""

from __future__ import annotations

from sandbox.floor import Floor
from sandbox.judge.arena import Layout
from sandbox.judge.hardware import TIMES_L2, Hardware


def moved_bytes(where: Layout, *, inputs: bool = True) -> int:
    """Bytes of a call's outputs, and of its inputs."""
    fields = [*(filter(None, where.inputs) if inputs else ()), *where.outputs]
    return sum(field.size_bytes for field in fields)


def impossible(
    latency_us: float,
    where: Layout,
    calls: int,
    floor: Floor,
    operations: float | None,
    hardware: Hardware,
) -> str | None:
    """Why no call can take so little; None if one can.

    Args:
        calls: of a batch. What the L2 holds before and after it need not go through the memory.
        operations: of a call, if the problem says.
    """
    if floor.traffic != "nothing":
        moved = moved_bytes(where, inputs=floor.traffic == "all")
        spared = TIMES_L2 * hardware.l2_bytes / calls
        least_us = (moved - spared) / hardware.bytes_per_s * 1e6
        if latency_us < least_us:
            what = "its outputs" if floor.traffic == "outputs" else "all inputs and outputs"
            return (
                f"{latency_us:.3g} us is less than the {least_us:.3g} us that moving {what} takes at "
                f"the memory's peak of {hardware.bytes_per_s / 1e12:.3g} TB/s"
            )
    if operations is not None and hardware.operations_per_s is not None:
        least_us = operations / hardware.operations_per_s * 1e6
        if latency_us < least_us:
            return (
                f"{latency_us:.3g} us is less than the {least_us:.3g} us that its {operations:.3g} "
                f"operations take at {hardware.operations_per_s / 1e12:.4g} TOP/s, the fastest type's "
                "peak"
            )
    return None
