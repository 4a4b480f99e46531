"""The arena on a GPU, and CUDA graphs of the calls.

A graph that was recorded on one challenge's values is replayed on the next one's. What it launches is
what gets timed; what the solution did on the host while it was recorded is not repeated.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from sandbox.runner.main import Arena
from sandbox.vmm import Region


class DeviceArena(Arena):
    """GPU memory of the judge's, mapped here."""

    def __init__(self, torch: Any, request: dict[str, Any], descriptor: int) -> None:
        size = request["capacity"] * request["stride"]
        self._region = Region(size, 0)
        self._region.receive(descriptor)
        super().__init__(torch, self._region.bytes_tensor(size), request)
        self._scratch = torch.zeros(1, device="cuda")
        self._graph: Any = None
        self._begin = torch.cuda.Event(enable_timing=True)
        self._end = torch.cuda.Event(enable_timing=True)

    def serve(
        self, request: dict[str, Any], run: Callable[..., Any], in_place: bool
    ) -> dict[str, Any]:
        calls, op = self.calls(request), request["op"]
        self._begin.record()
        if op == "replay":
            self._graph.replay()
        elif op == "idle":
            self._scratch.add_(1)  # the GPU's switch to this process is part of the protocol
        else:
            self._call_all(run, calls, in_place)
        self._end.record()
        self.torch.cuda.synchronize()
        if op == "capture":
            self._record(run, calls, in_place)
        return {"device_us": self._begin.elapsed_time(self._end) * 1e3}

    def close(self) -> None:
        self._graph = None
        self.torch.cuda.synchronize()
        self._region.close()

    def _record(self, run: Callable[..., Any], calls: Any, in_place: bool) -> None:
        torch = self.torch
        self._graph = None
        graph = torch.cuda.CUDAGraph()
        with torch.cuda.graph(graph):
            self._call_all(run, calls, in_place)
        torch.cuda.synchronize()
        self._graph = graph

    def _call_all(self, run: Callable[..., Any], calls: Any, in_place: bool) -> None:
        with self.torch.no_grad():
            for inputs, outputs in calls:
                self.call(run, inputs, outputs, in_place)
