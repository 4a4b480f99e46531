"""Time as a solution's own process sees it, by the driver's events.

The driver's functions are looked up, and the first events made, before a solution is loaded: replacing
torch's events or streams changes nothing here. But the solution shares the process, so native code can
still reach all of it. What this says is reported beside what is measured from outside, and never used.
"""

from __future__ import annotations

from typing import Any

JOIN_US = 50.0
"""What it takes at most to record one more event when the device stands still."""


class Guard:
    """A stopwatch for steps of work in a stream. Number 0 waits for all that do not refuse to.

    Args:
        driver: `cuda.bindings.driver`; a context must be current.
    """

    def __init__(self, driver: Any) -> None:
        self._record = driver.cuEventRecord
        self._elapsed = driver.cuEventElapsedTime
        self._finish = driver.cuCtxSynchronize
        self._create = driver.cuEventCreate
        self._joined = self._event()
        self._marks: list[tuple[Any, Any]] = []
        self._used = 0
        self.expect(1)

    def expect(self, steps: int) -> None:
        """Get ready for so many steps."""
        while len(self._marks) < steps:
            self._marks.append((self._event(), self._event()))
        self._used = 0

    def begin(self, stream: int) -> None:
        """The next step starts here."""
        self._record(self._marks[self._used][0], stream)

    def end(self, stream: int) -> None:
        """It ends here."""
        self._record(self._marks[self._used][1], stream)
        self._used += 1

    def total_us(self) -> float:
        """Microseconds of all steps. If the device worked on after the end of a single one, in a stream
        of its own, that counts as well."""
        self._finish()
        steps_us = sum(self._between(begin, end) for begin, end in self._marks[: self._used])
        if self._used != 1:
            return steps_us
        self._record(self._joined, 0)
        self._finish()
        joined_us = self._between(self._marks[0][0], self._joined)
        return joined_us if joined_us > steps_us + JOIN_US else steps_us

    def _event(self) -> Any:
        return self._create(0)[1]

    def _between(self, begin: Any, end: Any) -> float:
        return float(self._elapsed(begin, end)[1]) * 1e3
