"""What is said beside a latency."""

from __future__ import annotations

import pytest
import torch

from sandbox.judge.arena import layout
from sandbox.judge.caveats import with_caveats
from sandbox.judge.hardware import Hardware, hardware_of
from sandbox.judge.models import Samples, WorkloadResult

WHERE = layout([torch.zeros(1 << 18)], [torch.zeros(1 << 18)], torch.device("cpu"))
GPU = Hardware(bytes_per_s=1e12, l2_bytes=50 << 20)
"""Two megabytes a call: 2.1 us at the peak, and 50 calls are twice the L2."""


def said(latency_us: float, reported_us: float, calls: int = 64, **fields: str) -> WorkloadResult:
    result = WorkloadResult(
        uuid="w",
        status="PASSED",
        official_status="PASSED",
        assay_status="PASSED",
        latency_us=latency_us,
        **{"timing": "graph", "baseline_timing": "graph", **fields},
        samples=Samples(
            calls_per_batch=calls,
            overhead_us=10.0,
            candidate_us=(latency_us,) * 3,
            baseline_us=(latency_us,) * 3,
            reported_us=(reported_us,) * 3,
        ),
    )
    return with_caveats(result, WHERE, GPU)


def test_an_ordinary_latency_needs_no_words() -> None:
    result = said(20.0, 19.0)
    assert result.caveats == ()
    assert result.cold_l2
    assert result.roofline_us == pytest.approx(2.097152)
    assert (result.reported_us, result.consistent) == (19.0, True)


def test_a_clock_in_the_candidates_process_that_disagrees_is_named() -> None:
    assert said(20.0, 1.0).consistent is False
    assert said(20.0, 60.0).consistent is False
    assert said(20.0, 30.0).consistent  # a switch of the GPU, in a batch of 64


@pytest.mark.parametrize(
    ("result", "word"),
    [
        (said(20.0, 1.0), "own process say 1 us"),
        (said(1.5, 1.5), "cannot have read all"),
        (said(20.0, 20.0, calls=8), "fits into the L2"),
        (said(20.0, 20.0, timing="eager"), "Timed eager"),
        (said(20.0, 20.0, bound="single_call"), "one at a time"),
        (said(20.0, 1.0, bound="launch"), "a launch counts"),
    ],
)
def test_what_is_unusual_is_said_once(result: WorkloadResult, word: str) -> None:
    (only,) = result.caveats
    assert word in only


def test_a_cpu_has_no_roofline_here() -> None:
    assert hardware_of(torch.device("cpu")) is None
