"""What a reader should know about a latency, beyond the figure: how it was taken, and what it is near to.

Nothing here changes a figure. What the candidate's own process reports is compared with what was measured
from outside, and never preferred to it.
"""

from __future__ import annotations

from collections.abc import Iterator

from sandbox.judge.arena import Layout
from sandbox.judge.memory import TIMES_L2, Memory
from sandbox.judge.models import WorkloadResult

AGREES, AGREES_US = 0.1, 3.0
"""How far the two clocks may be apart: events do not see what a launch costs."""


def with_caveats(result: WorkloadResult, where: Layout, memory: Memory | None) -> WorkloadResult:
    """The result of a workload that passed, with what there is to say about its latency."""
    assert result.samples is not None
    fields = [*filter(None, where.inputs), *where.outputs]
    moved = sum(field.size_bytes for field in fields)
    roofline_us = None if memory is None else moved / memory.bytes_per_s * 1e6
    batch_bytes = where.stride * result.samples.calls_per_batch
    cold = None if memory is None else batch_bytes >= TIMES_L2 * memory.l2_bytes
    known = result.model_copy(update={"roofline_us": roofline_us, "cold_l2": cold})
    return known.model_copy(update={"caveats": tuple(_caveats(known))})


def _caveats(result: WorkloadResult) -> Iterator[str]:
    latency_us, samples = result.latency_us, result.samples
    assert latency_us is not None and samples is not None
    if result.bound == "single_call":
        yield "Calls took longer one at a time than in a batch, so what one takes alone counts."
    if result.bound == "launch":
        yield "The batch took less than launching kernels does, so a launch counts."
    if result.timing != result.baseline_timing:
        yield f"Timed {result.timing}, while the baseline's calls were timed {result.baseline_timing}."
    if result.cold_l2 is False:
        yield "A batch fits into the L2, so calls may find their data there."
    if result.cold_l2 and result.roofline_us is not None and latency_us < result.roofline_us:
        yield (
            f"Less than the {result.roofline_us:.3g} us that moving all inputs and outputs takes at "
            "the memory's peak: it cannot have read all of its inputs."
        )
    if samples.reported_us and result.bound is None:
        reported_us = sorted(samples.reported_us)[len(samples.reported_us) // 2]
        if abs(reported_us - latency_us) > AGREES_US + AGREES * latency_us:
            yield (
                f"CUDA events in the solution's own process say {reported_us:.4g} us; they are within "
                "its reach and are not used."
            )
