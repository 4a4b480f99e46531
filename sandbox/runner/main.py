"""The runner's loop: load one solution, run it on the arenas that arrive, answer.

Protocol, on descriptor 3, one JSON object a packet:

    → {"op": "load", "nonce", "language", "entry_file", "entry_symbol", "style", "files"}
                              + one descriptor: the files' contents, one after the other
    → {"op": "map", "nonce", "device", "capacity", "stride", "inputs", "outputs"}
                              + two descriptors: the arena's memory, and a page
    → {"op": "run", "nonce", "count", "values", "step", "clocked"}
                              the solution, on the first `count` slots
    → "capture": record each step as a CUDA graph, which calls the solution but computes nothing
    → "replay": launch those graphs
    → "idle": everything but the solution: the protocol's cost
    → "launches": on a GPU, instead of each step 512 kernels that do next to nothing
    ← {"nonce", "ok": true} or {"nonce", "error": {"kind", "message"}}; on a GPU with "device_us"

The arena is shared memory: slots of `stride` bytes with every tensor at its offset. Steps of `step` calls
go in lockstep with the judge, by two numbers on the page: steps that have their inputs, and steps that
are done. If `clocked`, the streams of a GPU keep these turns, by two numbers behind the slots.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

from sandbox.vmm import PAGE

CHANNEL = 3
SPINS = 1000
INPUTS = "/sandbox/in"
MAX_PACKET = 1 << 17


def main() -> None:
    """Serve the channel until the other side closes it."""
    channel = socket.socket(fileno=CHANNEL)
    import torch

    torch.set_num_threads(1)
    guard = None
    if os.path.exists("/dev/nvidiactl"):  # noqa: PTH110
        from sandbox.runner.device import warm_up

        guard = warm_up(torch)  # nobody waits for it yet
    _send(channel, {"ready": True})
    run: Callable[..., Any] = _nothing
    arena: Arena | None = None
    style = True
    while True:
        request, descriptors = _receive(channel)
        if request is None:
            return
        answer: dict[str, Any] = {"nonce": request["nonce"]}
        try:
            if request["op"] == "load":
                from sandbox.runner.load import load

                _place(request["files"], *descriptors)
                run, style = load(request), bool(request["style"])
            elif request["op"] == "map":
                if arena is not None:
                    arena.close()
                arena = _arena(torch, request, guard, *descriptors)
            elif arena is not None:
                answer |= arena.serve(request, run, style)
            answer["ok"] = True
        except Mismatch as error:
            answer["error"] = {"kind": error.kind, "message": str(error)[:1000]}
        except BaseException as error:
            answer["error"] = {"kind": "exception", "message": _describe(error)}
        _send(channel, answer)


def _nothing(*_: Any) -> None:
    raise RuntimeError("no solution is loaded")


class Mismatch(Exception):
    """A returned value that does not fit the definition."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _place(files: list[dict[str, Any]], descriptor: int) -> None:
    """Write the solution's files where it is loaded from."""
    with os.fdopen(descriptor, "rb") as contents:
        for file in files:
            target = Path(INPUTS) / file["path"]
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(contents.read(file["bytes"]))


def _arena(torch: Any, request: dict[str, Any], guard: Any, memory: int, turns: int) -> Arena:
    page = _map(turns, PAGE)
    if request["device"] == "cuda":
        from sandbox.runner.device import DeviceArena

        return DeviceArena(torch, request, memory, page, guard)
    return HostArena(torch, request, memory, page)


def _map(descriptor: int, size: int) -> mmap.mmap:
    try:
        return mmap.mmap(descriptor, size, flags=mmap.MAP_SHARED | mmap.MAP_POPULATE)
    finally:
        os.close(descriptor)


Calls = list[tuple[list[Any], list[Any]]]
"""The inputs and the outputs of each call."""


class Arena:
    """The shared memory, and the tensors in it."""

    def __init__(self, torch: Any, flat: Any, page: mmap.mmap, request: dict[str, Any]) -> None:
        self.torch = torch
        self._turns = memoryview(page)[:16].cast("q")
        self._inputs = request["inputs"]
        slots = flat.view(request["capacity"], request["stride"])
        inputs, outputs = (
            [self._tensors(slots, spec) for spec in request[side]] for side in ("inputs", "outputs")
        )
        self._slots: Calls = [
            ([field[slot] for field in inputs], [field[slot] for field in outputs])
            for slot in range(request["capacity"])
        ]

    def serve(
        self, request: dict[str, Any], run: Callable[..., Any], in_place: bool
    ) -> dict[str, Any]:
        """Do what a challenge asks for; return what the answer says beyond that it is done."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the memory; the tensors in it keep a CPU's alive."""

    def calls(self, request: dict[str, Any]) -> Calls:
        """The arguments and the outputs of each call of a challenge."""
        slots = self._slots[: request["count"]]
        if request["values"] is None:
            return slots
        calls = []
        for (tensors, outputs), scalars in zip(slots, request["values"], strict=True):
            values = iter(scalars)
            inputs = [
                next(values) if spec is None else tensor
                for spec, tensor in zip(self._inputs, tensors, strict=True)
            ]
            calls.append((inputs, outputs))
        return calls

    def call(
        self, run: Callable[..., Any], inputs: list[Any], outputs: list[Any], in_place: bool
    ) -> None:
        """Call the solution once."""
        if in_place:
            run(*inputs, *outputs)
        else:
            _store(self.torch, run(*inputs), outputs)

    def _tensors(self, slots: Any, spec: dict[str, Any] | None) -> list[Any]:
        """One argument in each slot; a scalar comes with the challenge."""
        count = len(slots)
        if spec is None:
            return [None] * count
        dtype, shape = getattr(self.torch, spec["dtype"]), spec["shape"]
        if not spec["bytes"]:
            return [self.torch.empty(shape, dtype=dtype, device=slots.device) for _ in range(count)]
        field = slots[:, spec["offset"] : spec["offset"] + spec["bytes"]]
        each = field.view(dtype).view(count, *shape)
        return [each[slot] for slot in range(count)]


class HostArena(Arena):
    """Anonymous memory."""

    def __init__(
        self, torch: Any, request: dict[str, Any], descriptor: int, page: mmap.mmap
    ) -> None:
        shared = _map(descriptor, request["capacity"] * request["stride"])
        super().__init__(torch, torch.frombuffer(shared, dtype=torch.uint8), page, request)

    def serve(
        self, request: dict[str, Any], run: Callable[..., Any], in_place: bool
    ) -> dict[str, Any]:
        turns, calls, idle = self._turns, self.calls(request), request["op"] == "idle"
        turns[1] = 0
        with self.torch.no_grad():
            for number, (inputs, outputs) in enumerate(calls, 1):
                await_turn(turns, number)
                if not idle:
                    self.call(run, inputs, outputs, in_place)
                turns[1] = number
        return {}


def await_turn(turns: memoryview, number: int) -> None:
    """Wait for the inputs of a step without sleeping, but let others run now and then: the judge
    itself may have to share this processor."""
    while turns[0] < number:
        for _ in range(SPINS):
            if turns[0] >= number:
                return
        os.sched_yield()


def _store(torch: Any, returned: Any, outputs: list[Any]) -> None:
    """Copy what a value-returning solution gave into the arena, if it fits exactly."""
    values = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if len(values) != len(outputs):
        raise Mismatch("count", f"{len(values)} values were returned, {len(outputs)} are defined")
    for value, output in zip(values, outputs, strict=True):
        if type(value) is not torch.Tensor:
            value = torch.as_tensor(value, dtype=output.dtype, device=output.device)  # noqa: PLW2901
        if tuple(value.shape) != tuple(output.shape):
            raise Mismatch("shape", f"shape {list(value.shape)}, defined {list(output.shape)}")
        if value.dtype != output.dtype:
            raise Mismatch("dtype", f"dtype {value.dtype}, defined {output.dtype}")
        output.copy_(value)


def _receive(channel: socket.socket) -> tuple[dict[str, Any] | None, list[int]]:
    packet, descriptors, _, _ = socket.recv_fds(channel, MAX_PACKET, 2)
    return json.loads(packet) if packet else None, descriptors


def _send(channel: socket.socket, message: dict[str, Any]) -> None:
    channel.send(json.dumps(message).encode())


def _describe(error: BaseException) -> str:
    """The error with the last place in the solution's own files."""
    import traceback

    frames = traceback.extract_tb(error.__traceback__)
    own = [f"{Path(f.filename).name}:{f.lineno}" for f in frames if "/sandbox/in" in f.filename]
    where = f" (at {own[-1]})" if own else ""
    return f"{type(error).__name__}: {str(error)[:900]}{where}"


if __name__ == "__main__":
    main()
