"""The runner's loop: load one solution, run it on the arenas that arrive, answer.

Protocol, on descriptor 3, one JSON object a packet:

    → {"op": "load", "language", "entry_file", "entry_symbol", "style", "library", "threads"}
    → {"op": "run", "nonce", "count", "stride", "inputs", "outputs", "values"}  + one descriptor
    → {"op": "map", …}            the same without calling the solution: the protocol's own cost
    ← {"nonce", "ok": true} or {"nonce", "error": {"kind", "message"}}

The arena is shared memory: `count` slots of `stride` bytes with every tensor at its offset.
"""

from __future__ import annotations

import json
import mmap
import os
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

CHANNEL = 3
MAX_PACKET = 1 << 17


def main() -> None:
    """Serve the channel until the other side closes it."""
    channel = socket.socket(fileno=CHANNEL)
    import torch

    torch.set_num_threads(1)
    _send(channel, {"ready": True})
    run: Callable[..., Any] | None = None
    style = True
    while True:
        request, descriptor = _receive(channel)
        if request is None:
            return
        answer: dict[str, Any] = {"nonce": request["nonce"]}
        try:
            if request["op"] == "load":
                from sandbox.runner.load import load

                run, style = load(request), bool(request["style"])
            else:
                call = run if request["op"] == "run" else None
                _serve(torch, request, descriptor, call, style)
            answer["ok"] = True
        except Mismatch as error:
            answer["error"] = {"kind": error.kind, "message": str(error)[:1000]}
        except BaseException as error:
            answer["error"] = {"kind": "exception", "message": _describe(error)}
        _send(channel, answer)


class Mismatch(Exception):
    """A returned value that does not fit the definition."""

    def __init__(self, kind: str, message: str) -> None:
        super().__init__(message)
        self.kind = kind


def _serve(
    torch: Any,
    request: dict[str, Any],
    descriptor: int,
    run: Callable[..., Any] | None,
    in_place: bool,
) -> None:
    size = request["count"] * request["stride"]
    with os.fdopen(descriptor, "r+b", buffering=0) as file:
        arena = mmap.mmap(
            file.fileno(), max(size, 1), flags=mmap.MAP_SHARED | getattr(mmap, "MAP_POPULATE", 0)
        )
    flat = torch.frombuffer(arena, dtype=torch.uint8, count=max(size, 1))
    calls = [
        (
            _arguments(torch, flat, request, slot),
            [_tensor(torch, flat, spec, slot * request["stride"]) for spec in request["outputs"]],
        )
        for slot in range(request["count"])
    ]
    if run is None:
        return
    with torch.no_grad():
        for inputs, outputs in calls:
            if in_place:
                run(*inputs, *outputs)
            else:
                _store(torch, run(*inputs), outputs)


def _arguments(torch: Any, flat: Any, request: dict[str, Any], slot: int) -> list[Any]:
    values = iter(request["values"][slot])
    return [
        next(values) if spec is None else _tensor(torch, flat, spec, slot * request["stride"])
        for spec in request["inputs"]
    ]


def _tensor(torch: Any, flat: Any, spec: dict[str, Any], base: int) -> Any:
    dtype = getattr(torch, spec["dtype"])
    if not spec["bytes"]:
        return torch.empty(spec["shape"], dtype=dtype)
    start = base + spec["offset"]
    return flat[start : start + spec["bytes"]].view(dtype).view(spec["shape"])


def _store(torch: Any, returned: Any, outputs: list[Any]) -> None:
    """Copy what a value-returning solution gave into the arena, if it fits exactly."""
    values = list(returned) if isinstance(returned, (tuple, list)) else [returned]
    if len(values) != len(outputs):
        raise Mismatch("count", f"{len(values)} values were returned, {len(outputs)} are defined")
    for value, output in zip(values, outputs, strict=True):
        if type(value) is not torch.Tensor:
            value = torch.as_tensor(value, dtype=output.dtype)  # noqa: PLW2901
        if tuple(value.shape) != tuple(output.shape):
            raise Mismatch("shape", f"shape {list(value.shape)}, defined {list(output.shape)}")
        if value.dtype != output.dtype:
            raise Mismatch("dtype", f"dtype {value.dtype}, defined {output.dtype}")
        output.copy_(value)


def _receive(channel: socket.socket) -> tuple[dict[str, Any] | None, int]:
    packet, descriptors, _, _ = socket.recv_fds(channel, MAX_PACKET, 1)
    if not packet:
        return None, -1
    return json.loads(packet), descriptors[0] if descriptors else -1


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
