"""Which processors are for what: those that measure are kept free of builds, where there are enough."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Sequence
from pathlib import Path

FIRST = -20
"""The nice value of what measures and of what is measured: others on its processor wait, or nearly so."""
PROCESSORS = tuple(sorted(os.sched_getaffinity(0)))
"""Those that this process was started with."""


def for_runners(processors: Sequence[int]) -> tuple[int, ...]:
    """All of these for runners on a GPU, the last one on a CPU."""
    return tuple(processors[-max(1, min(4, len(processors) // 2)) :])


def for_the_judge(processors: Sequence[int]) -> tuple[int, ...]:
    """It waits for runners without sleeping, so it must stay off theirs."""
    rest = set(processors) - set(for_runners(processors))
    return tuple(sorted(rest or processors))


def for_builds(processors: Sequence[int]) -> tuple[int, ...]:
    """What neither measures nor is measured; with two processors that would leave a compiler only one."""
    rest = for_the_judge(processors)
    return rest if len(rest) > 1 else tuple(processors)


def may_prefer() -> bool:
    """Whether `prefer` does anything: tried on a thread that ends with that."""
    succeeded: list[bool] = []

    def attempt() -> None:
        with contextlib.suppress(OSError):
            os.setpriority(os.PRIO_PROCESS, threading.get_native_id(), FIRST)
            succeeded.append(True)

    thread = threading.Thread(target=attempt)
    thread.start()
    thread.join()
    return bool(succeeded)


def prefer(pid: int) -> None:
    """Let a process have its processors rather than others, if this process may decide that: root may.

    Where the kernel divides a processor among sessions first, the session must be preferred as well.
    """
    with contextlib.suppress(OSError):
        os.setpriority(os.PRIO_PROCESS, pid, FIRST)
        Path(f"/proc/{pid}/autogroup").write_text(str(FIRST))
