"""A pool of runners that wait, each used once. Nothing secret is in them: nothing is known yet."""

from __future__ import annotations

from sandbox.judge.arm import Arm
from sandbox.warm import Zygote

SIZE = 2
"""One candidate and one baseline."""


class Pool:
    """Ready runners."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._ready: list[Arm] = []
        self._used: list[Arm] = []

    @property
    def level(self) -> str:
        return self._zygote.level

    def fill(self) -> None:
        """Clear away what was used and start what is missing."""
        while self._used:
            self._used.pop().close()
        while len(self._ready) < SIZE:
            self._ready.append(Arm(self._zygote))

    def take(self) -> Arm:
        """A runner of one's own."""
        if not self._ready:
            self.fill()
        return self._ready.pop(0)

    def discard(self, arm: Arm) -> None:
        """Kill a runner; what is left of it is cleared away when nobody waits for a result."""
        arm.kill()
        self._used.append(arm)

    def close(self) -> None:
        for arm in (*self._ready, *self._used):
            arm.close()
        self._ready.clear()
        self._used.clear()
        self._zygote.close()
