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

    @property
    def level(self) -> str:
        return self._zygote.level

    def fill(self) -> None:
        """Start what is missing."""
        while len(self._ready) < SIZE:
            self._ready.append(Arm(self._zygote))

    def take(self) -> Arm:
        """A runner of one's own."""
        self.fill()
        return self._ready.pop(0)

    def close(self) -> None:
        for arm in self._ready:
            arm.close()
        self._ready.clear()
        self._zygote.close()
