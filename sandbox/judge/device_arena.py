"""The arena on a GPU: memory that both sides map, and the two ways to keep the turns."""

from __future__ import annotations

import time
from functools import lru_cache

import torch

from sandbox.errors import CandidateFailure
from sandbox.judge.arena import Answer, Arena, Batch, Exchange, Layout
from sandbox.process import Namespace
from sandbox.vmm import DONE, OPEN, PAGE, REVEALED, Region

Copies = list[tuple[torch.Tensor, torch.Tensor]]
"""Where to, where from."""
LAST_COPY_S = 0.05
"""How long after a runner's answer its last outputs may still be on their way."""
FREE_S = 1.0
"""How long a runner may keep the judge's stream waiting after it failed."""
PATIENCE_S = 0.25
"""How long a runner may take until its work waits on the GPU, before its inputs appear all the same: a launch
that waits for them itself would never end otherwise."""


class DeviceArena(Arena):
    """GPU memory, mapped by both sides. Behind the slots is a page with two numbers like the turns, by
    which the two sides' streams wait for each other without a processor."""

    def __init__(self, where: Layout, capacity: int) -> None:
        size = where.stride * capacity
        self._region = Region(size + PAGE, where.device.index or 0)
        try:
            file = self._region.create()
        except MemoryError:
            self._region.close()
            raise
        whole = self._region.bytes_tensor(size + PAGE)
        super().__init__(where, capacity, file, whole[:size])
        self._flags = whole[size:]
        self._stream = _stream(where.device)
        self._steps: list[tuple[Copies, Copies]] = []

    def prepare(self, batch: Batch, step: int) -> None:
        super().prepare(batch, step)
        self._region.forget_persisting()

    def timed(self, runner: Namespace, exchange: Exchange) -> tuple[Answer, list[float]]:
        runner.resume()
        exchange.send()
        self._await_turn(0, exchange)
        turns, now = self._turns, time.perf_counter
        walls = []
        for number, (reveal, take) in enumerate(self._steps, 1):
            started = now()
            for theirs, own in reveal:
                theirs.copy_(own)
            self._settle()
            turns[0] = number
            if turns[1] < number:
                self._await_turn(number, exchange)
            for own, theirs in take:
                own.copy_(theirs)
            self._settle()
            walls.append(now() - started)
        answer = exchange.receive()
        runner.pause()
        return answer, walls

    def clocked(self, runner: Namespace, exchange: Exchange) -> tuple[Answer, list[float]]:
        """Like `timed`, but the GPU itself keeps the turns and the time.

        Everything is queued at once: reveal, wait for the runner's stream, take. A step costs the GPU's
        switches between the two processes, 0.3 ms, but repeats within two microseconds.
        """
        self._flags.zero_()
        self._settle()
        runner.resume()
        exchange.send()
        self._await_turn(0, exchange, PATIENCE_S)
        events = []
        # Nothing goes before everything is queued: how fast this processor is shall not count.
        self._region.await_(self._stream.cuda_stream, OPEN, 1)
        with torch.cuda.stream(self._stream):
            for number, (reveal, take) in enumerate(self._steps, 1):
                events.append((_event(), _event()))
                events[-1][0].record()
                for theirs, own in reveal:
                    theirs.copy_(own)
                self._region.tell(self._stream.cuda_stream, REVEALED, number)
                self._region.await_(self._stream.cuda_stream, DONE, number)
                for own, theirs in take:
                    own.copy_(theirs)
                events[-1][1].record()
        self._region.tell(torch.cuda.current_stream().cuda_stream, OPEN, 1)
        self._await_event(events[-1][1], runner, exchange)
        answer = exchange.receive()
        runner.pause()
        return answer, [begin.elapsed_time(end) / 1e3 for begin, end in events]

    def _await_event(self, event: torch.cuda.Event, runner: Namespace, exchange: Exchange) -> None:
        """Wait until a step's outputs are taken.

        Raises:
            CandidateFailure: they will not come.
        """
        try:
            answered_at: float | None = None
            while not event.query():  # type: ignore[no-untyped-call]
                if answered_at is None and exchange.waiting():
                    answered_at = time.monotonic()
                if answered_at is not None and time.monotonic() > answered_at + LAST_COPY_S:
                    exchange.receive()  # why, if it says so
                    raise CandidateFailure(
                        "forged_reply", "The runner answered before it was done."
                    )
                time.sleep(0)
        except CandidateFailure:
            self._free_stream(event, runner)
            raise

    def _free_stream(self, event: torch.cuda.Event, runner: Namespace) -> None:
        """Let the stream go on that waits for a runner: by writing the number that it waits for, in another
        stream, as often as somebody takes it back, and in the end without that somebody."""
        deadline = time.monotonic() + FREE_S
        while not event.query():  # type: ignore[no-untyped-call]
            self._flags.fill_(0x7F)
            if time.monotonic() > deadline:
                runner.kill()
            time.sleep(0.001)
        self._settle()

    def _plan(self, batch: Batch, step: int) -> None:
        count = len(batch)
        there, given = (self._inputs(flat, count) for flat in (self._memory, batch.flat))
        shared = [self._shared(count, field) for field in self.layout.outputs]
        reveal = zip(torch.split(there, step), torch.split(given, step), strict=True)
        take = [
            list(zip(torch.split(own, step), torch.split(theirs, step), strict=True))
            for own, theirs in zip(self._taken, shared, strict=True)
        ]
        self._steps = [
            ([copies], [each[number] for each in take]) for number, copies in enumerate(reveal)
        ]

    def _settle(self) -> None:
        """Work that the runner still has on the GPU comes too late for a copy that is done."""
        torch.cuda.synchronize(self.layout.device)

    def close(self) -> None:
        super().close()
        self._region.close()


@lru_cache
def _stream(device: torch.device) -> torch.cuda.Stream:
    """The one stream of all arenas: what a switch to it costs differs by 3 us from stream to stream."""
    return torch.cuda.Stream(device)  # type: ignore[no-untyped-call]


def _event() -> torch.cuda.Event:
    return torch.cuda.Event(enable_timing=True)  # type: ignore[no-untyped-call]
