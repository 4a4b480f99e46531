"""Leases: what one measurement at a time has alone, such as a GPU or a processor, also among servers that
do not know each other. A lease is a locked file, so it ends with whoever holds it."""

from __future__ import annotations

import fcntl
import os
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

from sandbox.errors import SandboxFailure

SHARED_LOCKS = Path("/run/kernel-assay")
"""Of all servers that root has started."""
LOOK_S = 0.05
SAY_S = 1.0


@contextmanager
def lease(
    name: str, called: str, timeout_s: float, waiting: Callable[[str], None] = lambda _: None
) -> Iterator[None]:
    """Have something alone among all servers of this host (of this user, if that is not root).

    Args:
        name: of the file.
        called: what people call it.
        timeout_s: how long to wait for it.
        waiting: is told, every second, what is waited for.

    Raises:
        SandboxFailure: `device_busy`, when it stays taken for that long.
    """
    wait = _Wait(called, timeout_s, waiting)
    # Whoever had it must come in at the door again, where somebody may stand who waits for it.
    with _opened(name) as lock:
        with _opened(f"{name}-door") as door:
            wait.until_locked(door)
            wait.until_locked(lock)
        yield


def open_lock(directory: Path, name: str) -> int:
    """A file to lock, in a directory of one's own."""
    directory.mkdir(parents=True, exist_ok=True, mode=0o700)
    if directory.stat().st_uid != os.geteuid():
        raise SandboxFailure(
            "lock_failed",
            f"The directory {directory} belongs to somebody else.",
            "Have it removed: two servers of yours could not know of each other.",
        )
    return os.open(directory / name, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)


def _of_this_user() -> Path:
    if os.geteuid() == 0:
        return SHARED_LOCKS
    own = Path(f"/run/user/{os.geteuid()}")
    if own.is_dir():
        return own / "kernel-assay"
    return Path(tempfile.gettempdir()) / f"kernel-assay-{os.geteuid()}"


@contextmanager
def _opened(name: str) -> Iterator[int]:
    descriptor = open_lock(_of_this_user(), name)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


class _Wait:
    """For locks, until there is no more time."""

    def __init__(self, called: str, timeout_s: float, waiting: Callable[[str], None]) -> None:
        self._called = called
        self._timeout_s = timeout_s
        self._waiting = waiting
        self._began = self._said = time.monotonic()

    def until_locked(self, descriptor: int) -> None:
        while not locked(descriptor):
            now = time.monotonic()
            if now - self._began > self._timeout_s:
                raise SandboxFailure(
                    "device_busy",
                    f"{self._called} was in use by other measurements for {self._timeout_s:.0f} s.",
                    "Try again later.",
                )
            if now - self._said > SAY_S:
                self._said = now
                self._waiting(f"waiting for {self._called}, which another measurement has")
            time.sleep(LOOK_S)


def locked(descriptor: int) -> bool:
    """Lock a file if nobody else has it; say whether it is locked now."""
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True
