"""The arena on a GPU, and CUDA graphs of the calls.

A graph that was recorded on one challenge's values is replayed on the next one's. What it launches is
what gets timed; what the solution did on the host while it was recorded is not repeated.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from functools import lru_cache, partial
from typing import Any

from sandbox.runner.graphs import MOST_NODES, Piece, Recorder, Work
from sandbox.runner.guard import Guard
from sandbox.runner.main import Arena, await_turn
from sandbox.vmm import DONE, PAGE, REVEALED, Region

LAUNCHES = MOST_NODES
"""Kernels of the op "launches"."""

Steps = list[list[Piece]]
"""What to launch in each step, one after the other."""
HIGHEST = -100
"""A stream's priority; torch takes the nearest that there is."""


@lru_cache
def own_stream(torch: Any) -> Any:
    """The one stream of all arenas. Of all streams, a step costs least in one of high priority: a solution
    finds no cheaper one."""
    return torch.cuda.Stream(priority=HIGHEST)


def warm_up(torch: Any) -> Guard:
    """The context, whatever else takes a while the first time, and a stopwatch that no solution has seen.

    Kernels of torch's are loaded one by one when they are first launched, which takes a millisecond to
    ten each: the most usual ones are launched here, while nobody waits.
    """
    from cuda.bindings import driver

    for dtype in (torch.float32, torch.bfloat16):
        x = torch.ones(2, 64, dtype=dtype, device="cuda")
        y = (x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1) * x[0]).float()
        y = torch.sigmoid(y / 2 - y.amax(-1, keepdim=True)).exp().sum(-1)
        x[:, 0].copy_(y)
    scratch = torch.zeros(1, device="cuda")
    Recorder(torch, driver).record([lambda: scratch.add_(1)])[0].launch()
    own_stream(torch)
    torch.cuda.synchronize()
    return Guard(driver)


class DeviceArena(Arena):
    """GPU memory of the judge's, mapped here."""

    def __init__(
        self, torch: Any, request: dict[str, Any], descriptor: int, page: mmap.mmap, guard: Guard
    ) -> None:
        size = request["capacity"] * request["stride"]
        self._region = Region(size + PAGE, 0)
        self._region.receive(descriptor)
        super().__init__(torch, self._region.bytes_tensor(size), page, request)
        self._scratch = torch.zeros(1, device="cuda")
        self._stream = own_stream(torch)
        self._recorder = Recorder(torch, self._region.driver)
        self._graphs: dict[int, Steps] = {}
        (self._idle,) = self._recorder.record([self._touch])
        self._many: list[Piece] = []
        self._guard = guard

    def serve(
        self, request: dict[str, Any], run: Callable[..., Any], in_place: bool
    ) -> dict[str, Any]:
        with self.torch.no_grad():
            return self._serve(request, run, in_place)

    def _serve(
        self, request: dict[str, Any], run: Callable[..., Any], in_place: bool
    ) -> dict[str, Any]:
        op, size = request["op"], request["step"]
        work: list[Work] = [
            partial(self.call, run, inputs, outputs, in_place)
            for inputs, outputs in self.calls(request)
        ]
        steps = [work[first : first + size] for first in range(0, len(work), size)]
        if op == "capture":
            self._graphs[size] = [self._recorder.record(step) for step in steps]
            return {}
        each = self._launches(op, size, steps)
        self._guard.expect(len(each))
        self._idle.launch()  # the GPU comes to this process before the clock starts
        self.torch.cuda.synchronize()
        if not request["clocked"]:
            self._turns[1] = 0
            return self._in_turn(each)
        if op == "run":  # launches that name no stream go to this one
            return self._queue(each, self.torch.cuda.default_stream(), room=0)
        with self.torch.cuda.stream(self._stream):
            return self._queue(each, self._stream, room=MOST_NODES)

    def _launches(self, op: str, size: int, steps: list[list[Work]]) -> Steps:
        """What to do in each step."""
        if op == "idle":  # the GPU's switch to this process is part of the protocol
            return [[self._idle] for _ in steps]
        if op == "launches":
            self._many = self._many or self._recorder.record([self._touch] * LAUNCHES)
            return [self._many]
        if op == "replay":
            return self._graphs[size][: len(steps)]
        return [[Piece(call) for call in step] for step in steps]

    def _in_turn(self, each: Steps) -> dict[str, Any]:
        """Wait for the inputs of each step on the host."""
        for number, pieces in enumerate(each, 1):
            await_turn(self._turns, number)
            self._guard.begin(0)
            for piece in pieces:
                piece.launch()
            self._guard.end(0)
            self.torch.cuda.synchronize()
            self._turns[1] = number
        return {"device_us": self._guard.total_us()}

    def _queue(self, each: Steps, stream: Any, room: int) -> dict[str, Any]:
        """Let the GPU wait for the inputs of each step, in a stream.

        What has `room` waits in the stream before there is any input. Calls may wait for the GPU
        themselves, so their inputs must come without that. Nothing is done in a step that a solution
        could leave out: what that costs is subtracted. So only a batch as a whole is timed here as well.
        """
        handle, timed = stream.cuda_stream, len(each) == 1
        for number, pieces in enumerate(each, 1):
            self._region.await_(handle, REVEALED, number)
            if timed:
                self._guard.begin(handle)
            for piece in pieces:
                room -= piece.nodes
                if room < 0:
                    self._turns[1] = 0  # the stream must go on, or the launch would wait for ever
                piece.launch()
            if timed:
                self._guard.end(handle)
            self._region.tell(handle, DONE, number)
        self._turns[1] = 0
        return {"device_us": self._guard.total_us()} if timed else {}

    def close(self) -> None:
        self._graphs.clear()
        self._many.clear()
        self.torch.cuda.synchronize()
        self._region.close()

    def _touch(self) -> None:
        """The least work that there is."""
        self._scratch.add_(1)
