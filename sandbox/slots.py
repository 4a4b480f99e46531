"""Slots: one sandbox at a time per uid.

RLIMIT_NPROC counts per uid and signals go between processes of one uid, so two sandboxes must never
share one. As root, a slot is an unprivileged uid of its own, locked in a directory that all servers
of the host share; otherwise the uid is the user's, and a slot only separates directories.
"""

from __future__ import annotations

import os
import shutil
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import SandboxFailure
from sandbox.leases import SHARED_LOCKS, locked, open_lock

FIRST_UID = 61000
COUNT = 64


@dataclass
class Slot:
    """A leased slot: its uid (None when not root) and its private directories."""

    number: int
    uid: int | None
    directory: Path
    _lock: int

    @property
    def inputs(self) -> Path:
        return self.directory / "in"

    @property
    def outputs(self) -> Path:
        return self.directory / "out"

    def release(self) -> None:
        """Remove everything and let the next one have the slot."""
        shutil.rmtree(self.directory, ignore_errors=True)
        os.close(self._lock)


def lease(work: Path) -> Slot:
    """Take a free slot, with fresh empty directories.

    Raises:
        SandboxFailure: `no_slot`, when all are in use.
    """
    root = os.geteuid() == 0
    for number in range(COUNT):
        descriptor = open_lock(SHARED_LOCKS if root else work / "locks", f"slot-{number}")
        if not locked(descriptor):
            os.close(descriptor)
            continue
        slot = Slot(
            number, FIRST_UID + number if root else None, work / f"slot-{number}", descriptor
        )
        shutil.rmtree(slot.directory, ignore_errors=True)
        slot.inputs.mkdir(parents=True, mode=0o755)
        slot.outputs.mkdir(mode=0o700)
        if slot.uid is not None:
            os.chown(slot.outputs, slot.uid, slot.uid)
        return slot
    raise SandboxFailure(
        "no_slot", f"All {COUNT} sandbox slots are in use.", "Wait for running jobs to end."
    )
