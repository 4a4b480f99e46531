"""The arena on a GPU, and CUDA graphs of the calls.

A graph that was recorded on one challenge's values is replayed on the next one's. What it launches is
what gets timed; what the solution did on the host while it was recorded is not repeated.
"""

from __future__ import annotations

import mmap
from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox.runner.main import Arena, Calls, await_turn
from sandbox.vmm import DONE, PAGE, REVEALED, Region

LAUNCHES = 512
"""Kernels of the op "launches"."""

Work = Callable[[], Any]


def warm_up(torch: Any) -> None:
    """The context, and whatever else takes a while the first time."""
    scratch = torch.zeros(1, device="cuda")
    record(torch, [lambda: scratch.add_(1)])[0].replay()
    torch.cuda.synchronize()


def record(torch: Any, work: list[Work]) -> list[Any]:
    """A graph of each piece. They share scratch memory: they are launched one after the other."""
    graphs, pool, stream = [], torch.cuda.graph_pool_handle(), torch.cuda.Stream()
    torch.cuda.synchronize()
    with torch.cuda.stream(stream):
        for piece in work:
            graphs.append(torch.cuda.CUDAGraph())
            graphs[-1].capture_begin(pool=pool)
            try:
                piece()
            finally:
                graphs[-1].capture_end()
    torch.cuda.synchronize()
    return graphs


class DeviceArena(Arena):
    """GPU memory of the judge's, mapped here."""

    def __init__(
        self, torch: Any, request: dict[str, Any], descriptor: int, page: mmap.mmap
    ) -> None:
        size = request["capacity"] * request["stride"]
        self._region = Region(size + PAGE, 0)
        self._region.receive(descriptor)
        super().__init__(torch, self._region.bytes_tensor(size), page, request)
        self._scratch = torch.zeros(1, device="cuda")
        self._graphs: dict[int, list[Any]] = {}
        self._idle = record(torch, [lambda: self._scratch.add_(1)])[0]
        self._begin = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)

    def serve(
        self, request: dict[str, Any], run: Callable[..., Any], in_place: bool
    ) -> dict[str, Any]:
        op, size, calls = request["op"], request["step"], self.calls(request)
        steps = [calls[first : first + size] for first in range(0, len(calls), size)]
        each = self._work(
            op, size, [partial(self._call_all, run, step, in_place) for step in steps]
        )
        if op == "capture":
            self._graphs[size] = record(self.torch, each)
            return {}
        self._idle.replay()  # the GPU comes to this process before the clock starts
        self.torch.cuda.synchronize()
        if request["clocked"]:
            return self._queue(each, at_once=op != "run")
        self._turns[1] = 0
        return self._in_turn(each)

    def _work(self, op: str, size: int, calls: list[Work]) -> list[Work]:
        """What to do in each step."""
        if op == "idle":  # the GPU's switch to this process is part of the protocol
            return [self._idle.replay for _ in calls]
        if op == "launches":
            return [record(self.torch, [self._launch_often])[0].replay]
        if op == "replay":
            return [graph.replay for graph in self._graphs[size][: len(calls)]]
        return calls

    def _in_turn(self, each: list[Work]) -> dict[str, Any]:
        """Wait for the inputs of each step on the host."""
        device_ms = 0.0
        for number, work in enumerate(each, 1):
            await_turn(self._turns, number)
            self._begin.record()
            work()
            self._end.record()
            self.torch.cuda.synchronize()
            self._turns[1] = number
            device_ms += self._begin.elapsed_time(self._end)
        return {"device_us": device_ms * 1e3}

    def _queue(self, each: list[Work], *, at_once: bool) -> dict[str, Any]:
        """Let the GPU wait for the inputs of each step, in the stream that launches go to which name none.

        What is launched `at_once` waits in the stream before there is any input. Calls may wait for the
        GPU themselves, so their inputs must come without that.
        """
        stream, device_ms = self.torch.cuda.default_stream(), 0.0
        marks = [[self.torch.cuda.Event(enable_timing=True) for _ in range(2)] for _ in each]
        if not at_once:
            self._turns[1] = 0
        for number, (work, (begin, end)) in enumerate(zip(each, marks, strict=True), 1):
            self._region.await_(stream.cuda_stream, REVEALED, number)
            begin.record()
            work()
            end.record()
            self._region.tell(stream.cuda_stream, DONE, number)
        if at_once:
            self._turns[1] = 0
        stream.synchronize()
        for begin, end in marks:
            device_ms += begin.elapsed_time(end)
        return {"device_us": device_ms * 1e3}

    def close(self) -> None:
        self._graphs.clear()
        self.torch.cuda.synchronize()
        self._region.close()

    def _launch_often(self) -> None:
        for _ in range(LAUNCHES):
            self._scratch.add_(1)

    def _call_all(self, run: Callable[..., Any], calls: Calls, in_place: bool) -> None:
        with self.torch.no_grad():
            for inputs, outputs in calls:
                self.call(run, inputs, outputs, in_place)
