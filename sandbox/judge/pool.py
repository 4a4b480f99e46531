"""A pool of runners that wait, each used once. Nothing secret is in them: nothing is known yet."""

from __future__ import annotations

from sandbox.gpu import Gpu
from sandbox.judge.arm import Arm
from sandbox.warm import Zygote

SIZE = 2
"""One candidate and one baseline."""


class Pool:
    """Ready runners for one device."""

    def __init__(self, zygote: Zygote) -> None:
        self._zygote = zygote
        self._ready: list[Arm] = []
        self._out: list[Arm] = []
        self._used: list[Arm] = []

    @property
    def level(self) -> str:
        return self._zygote.level

    @property
    def gpu(self) -> Gpu | None:
        return self._zygote.gpu

    @property
    def processes(self) -> int:
        """How many runners there are, idle and dying ones included."""
        return len(self._ready) + len(self._out) + len(self._used)

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
        self._out.append(self._ready.pop(0))
        return self._out[-1]

    def discard(self, arm: Arm) -> None:
        """Kill a runner; what is left of it is cleared away when nobody waits for a result."""
        arm.kill()
        self._out.remove(arm)
        self._used.append(arm)

    def await_ends(self) -> None:
        """Wait until nothing of the discarded runners is on the device any more.

        Raises:
            SandboxFailure: one does not end.
        """
        for arm in self._used:
            arm.await_end()

    def close(self) -> None:
        """End every runner and the fork server."""
        for arm in (*self._ready, *self._out, *self._used):
            arm.close()
        for arms in (self._ready, self._out, self._used):
            arms.clear()
        self._zygote.close()
