"""Ending child processes when the server stops.

A thread that waits for a judge or a sandbox cannot be cancelled, and Python waits for its threads
before it exits: a stop could take as long as the longest run. So, once everything is recorded, the
children are killed (sandboxes die with them), and the threads find that out by themselves. A thread
that was still in a queue may start another child, hence not only once.
"""

from __future__ import annotations

import os
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

_INTERVAL_S = 0.1


@contextmanager
def children_end_on_request() -> Iterator[threading.Event]:
    """Yield an event; from when it is set until the end of the block, no child stays alive."""
    requested, over = threading.Event(), threading.Event()

    def reap() -> None:
        requested.wait()
        while not over.wait(_INTERVAL_S):
            for child in _children():
                with suppress(ProcessLookupError):
                    os.kill(child, signal.SIGKILL)

    reaper = threading.Thread(target=reap, name="children", daemon=True)
    reaper.start()
    try:
        yield requested
    finally:
        over.set()
        requested.set()
        reaper.join()


def _children() -> list[int]:
    """The processes that any of our threads started."""
    found: list[int] = []
    for task in Path("/proc/self/task").iterdir():
        with suppress(FileNotFoundError, ProcessLookupError):  # the thread ended meanwhile
            found += map(int, (task / "children").read_text().split())
    return found
