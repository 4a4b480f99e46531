"""What a reader should know about a latency, beyond the figure: how it was taken, and what it is near to.

Nothing here changes a figure. What the candidate's own process reports is compared with what was measured
from outside, and never preferred to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.judge.arena import Layout
from sandbox.judge.hardware import TIMES_L2, Hardware
from sandbox.judge.models import BUSY, WorkloadResult
from sandbox.judge.roofline import moved_bytes

AGREES, AGREES_US = 0.1, 3.0
"""How far the two clocks may be apart: events do not see what a launch costs."""
HIDES = 0.1
"""Share of a latency from which on it is said what may have been hidden."""
SWITCH_US = 1000.0
"""How much of a batch events may see more: they begin while the GPU still goes from process to process."""


def with_caveats(
    result: WorkloadResult, where: Layout, hardware: Hardware | None
) -> WorkloadResult:
    """The result of a workload that passed, with what there is to say about its latency."""
    samples, latency_us = result.samples, result.latency_us
    assert samples is not None and latency_us is not None
    reported_us = _middle(samples.reported_us)
    known: dict[str, float | bool | None] = {
        "reported_us": reported_us,
        "consistent": _consistent(reported_us, latency_us, samples.calls_per_batch),
    }
    if hardware is not None:
        batch_bytes = where.stride * samples.calls_per_batch
        known["roofline_us"] = moved_bytes(where) / hardware.bytes_per_s * 1e6
        known["cold_l2"] = batch_bytes >= TIMES_L2 * hardware.l2_bytes
    result = result.model_copy(update=known)
    return result.model_copy(update={"caveats": tuple(_caveats(result))})


def _middle(samples: tuple[float, ...]) -> float | None:
    return sorted(samples)[len(samples) // 2] if samples else None


def _consistent(reported_us: float | None, latency_us: float, calls: int) -> bool | None:
    """Whether both clocks say the same; nothing, where there is one clock only."""
    if reported_us is None:
        return None
    allowed_us = AGREES_US + AGREES * latency_us
    return -allowed_us <= reported_us - latency_us <= allowed_us + SWITCH_US / calls


def _caveats(result: WorkloadResult) -> Iterator[str]:
    latency_us, samples = result.latency_us, result.samples
    assert latency_us is not None and samples is not None
    if result.bound == "single_call":
        yield "Calls took longer one at a time than in a batch, so what one takes alone counts."
    if result.bound == "launch":
        yield "The batch took less than launching kernels does, so a launch counts."
    if samples.waited > BUSY:
        yield (
            f"Others had a processor for {samples.waited:.0%} of the time: measure again when the "
            "machine is quiet. The figures leave out what took longer than usual, what is proved does not."
        )
    revealing_us = samples.revealing_us
    if revealing_us > HIDES * latency_us:
        yield (
            f"A call's inputs took {revealing_us:.3g} us to appear, which is not counted; a solution that "
            "worked meanwhile would show as much less. What is proved counts it."
        )
    if result.timing != result.baseline_timing:
        yield f"Timed {result.timing}, while the baseline's calls were timed {result.baseline_timing}."
    if result.cold_l2 is False:
        yield "A batch fits into the L2, so calls may find their data there."
    if result.cold_l2 and result.roofline_us is not None and latency_us < result.roofline_us:
        yield (
            f"Less than the {result.roofline_us:.3g} us that moving all inputs and outputs takes at "
            "the memory's peak: it cannot have read all of its inputs."
        )
    if result.consistent is False and result.bound is None:
        yield (
            f"CUDA events in the solution's own process say {result.reported_us:.4g} us; they are "
            "within its reach and are not used."
        )
