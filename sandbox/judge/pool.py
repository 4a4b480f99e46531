"""A pool of runners that have imported torch and wait: each is used once.

Nothing secret is in them, since nothing is known yet when they start. Refilling waits until a
measurement is over: it costs seconds of a core.
"""

from __future__ import annotations

from sandbox.box import Sandbox
from sandbox.judge.arm import Arm

SIZE = 2
"""One candidate and one baseline."""


class Pool:
    """Ready runners."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._sandbox = sandbox
        self._ready: list[Arm] = []

    @property
    def level(self) -> str:
        return self._sandbox.level

    def fill(self) -> None:
        """Start what is missing, without waiting for it."""
        while len(self._ready) < SIZE:
            self._ready.append(Arm(self._sandbox))

    def take(self) -> Arm:
        """A runner of one's own; all that were started are awaited first, so that none of them
        still imports while something is measured."""
        if not self._ready:
            self.fill()
        for arm in self._ready:
            arm.wait_ready()
        return self._ready.pop(0)

    def close(self) -> None:
        for arm in self._ready:
            arm.close()
        self._ready.clear()
