"""Whose fault it is when something of a run fails: the candidate's, the baseline's, or the device's."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import torch

from sandbox.errors import AssayError, CandidateFailure
from sandbox.judge.arm import plain

STATUS = {
    "timeout": "TIMEOUT",
    "forged_reply": "RUNTIME_ERROR",
    "runtime_error": "RUNTIME_ERROR",
}
"""flashinfer-bench's word for each way in which a runner fails."""
OUT_OF_MEMORY = (MemoryError, torch.OutOfMemoryError)
"""Of this process, on the device."""


class Rejected(Exception):
    """A workload that ends here, with the reason."""

    def __init__(self, status: str, rule: str, reason: str) -> None:
        super().__init__(reason)
        self.status = status
        self.rule = rule
        self.reason = reason


@contextmanager
def candidate_at_fault() -> Iterator[None]:
    """A runner that fails in here is refused."""
    try:
        yield
    except CandidateFailure as failure:
        status = STATUS.get(failure.code, failure.code)
        raise Rejected(status, failure.code.lower(), failure.message) from failure


@contextmanager
def baseline_at_fault() -> Iterator[None]:
    """A runner that fails in here ends the run: no candidate has a part in it."""
    try:
        yield
    except CandidateFailure as failure:
        raise baseline_broken(failure.message) from failure


def baseline_broken(why: str) -> AssayError:
    """What to say of a baseline that does not work."""
    return AssayError(
        "baseline_broken",
        f"The pinned baseline itself failed, so nothing can be measured: {why}",
        "The operator must pin a problem whose baseline works on this machine.",
    )


def left_no_room(full: Exception) -> Rejected:
    """What to say of a candidate beside which the judge ran out of memory."""
    return Rejected(
        "RUNTIME_ERROR",
        "out_of_memory",
        f"Beside it, the judge had no memory left for inputs and outputs ({plain(str(full))[:200]}). "
        "Use less of it; if every solution ends so, this workload is too large for the device.",
    )


def no_room(full: Exception) -> AssayError:
    """What to say when it ran out of memory by itself."""
    return AssayError(
        "out_of_memory",
        f"This workload does not fit into the device's memory: {plain(str(full))[:200]}",
        "Use a smaller workload, or end what else is on the device.",
    )
