"""CUDA graphs of calls, in pieces that may wait in a stream.

What is launched behind something that the stream waits for piles up in the driver's queue, and when that
is full the launch itself waits. A graph of some thousand kernels fills it, so a batch is recorded in
pieces, of which only as many wait at a time as surely fit.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Any

MOST_NODES = 512
"""Of graphs that wait in a stream."""

Work = Callable[[], Any]


@dataclass(frozen=True)
class Piece:
    """Something to launch.

    Attributes:
        nodes: of its graph: mostly kernels.
    """

    launch: Work
    nodes: int = 1


class Recorder:
    """Records graphs that share scratch memory, since they are launched one after the other.

    Args:
        driver: `cuda.bindings.driver`.
    """

    def __init__(self, torch: Any, driver: Any) -> None:
        self._torch = torch
        self._pool = torch.cuda.graph_pool_handle()
        self._capture_info = driver.cuStreamGetCaptureInfo
        self._graph_nodes = driver.cuGraphGetNodes

    def record(self, calls: Iterable[Work]) -> list[Piece]:
        """Record calls, in as few graphs as may wait."""
        cuda = self._torch.cuda
        stream = cuda.Stream()
        cuda.synchronize()
        pieces, left = [], list(calls)
        with cuda.stream(stream):
            while left:
                graph, nodes = cuda.CUDAGraph(), 0
                graph.capture_begin(pool=self._pool)
                try:
                    while left and nodes < MOST_NODES:
                        left.pop(0)()
                        nodes = self._nodes(stream.cuda_stream)
                finally:
                    graph.capture_end()
                pieces.append(Piece(graph.replay, nodes))
        cuda.synchronize()
        return pieces

    def _nodes(self, stream: int) -> int:
        """How many nodes the graph has that is being recorded."""
        error, _, _, graph, *_ = self._capture_info(stream)
        return 0 if int(error) else int(self._graph_nodes(graph)[2])
