"""An arm: one solution in its own single-use runner, and the protocol with it.

Everything that comes back is a size-capped JSON object that must echo a fresh random nonce, so an
answer cannot be prepared. Descriptors that a runner sends are dropped by the kernel, since none are
asked for. A runner that crashes, hangs or talks nonsense is the solution's failure, not the judge's.
"""

from __future__ import annotations

import json
import math
import os
import secrets
import select
import socket
import statistics
import time
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, BinaryIO

from sandbox.box import Limits
from sandbox.errors import CandidateFailure, SandboxFailure
from sandbox.judge.arena import Arena, Batch, Layout
from sandbox.judge.host_arena import HostArena
from sandbox.process import LOOK_S
from sandbox.processors import PROCESSORS, for_runners
from sandbox.solution import Solution
from sandbox.warm import RUNNER, Child, Zygote

MAX_ANSWER = 1 << 16
MOST_US = 1e12
"""More than any run may take."""
START_S = 60.0
HOST_LIMITS = Limits(cpu_s=3600, processes=64, data_bytes=8 << 30, tmp_bytes=256 << 20)
GPU_LIMITS = Limits(cpu_s=3600, processes=256, data_bytes=None, tmp_bytes=1 << 30)

MISMATCH = {
    "shape": "INCORRECT_SHAPE",
    "count": "INCORRECT_SHAPE",
    "dtype": "INCORRECT_DTYPE",
}


@dataclass(frozen=True)
class Reply:
    """A challenge's time.

    Attributes:
        wall_s: seconds from when inputs were within reach until the outputs could not change, over all
            steps, if all are like those that count: measured outside, needs no trust.
        steps_s: of each step that counts.
        reported_us: what CUDA events in the runner say that the calls took: in the candidate's reach.
        revealing_s: on a CPU, of a step, how long its inputs took to appear.
        waited_s: on a CPU, how long the runner or the judge waited for a processor that somebody else had. A
            runner can also make itself wait, which excuses nothing.
    """

    wall_s: float
    steps_s: tuple[float, ...]
    reported_us: float | None
    revealing_s: float = 0.0
    waited_s: float = 0.0

    def undisturbed(self) -> Reply:
        """Without what was waited, but at least as if each step had taken what the middle one did: two that
        wait for each other wait twice."""
        if not self.waited_s:
            return self
        usual_s = statistics.median(self.steps_s) / statistics.fmean(self.steps_s) * self.wall_s
        return replace(self, wall_s=min(self.wall_s, max(usual_s, self.wall_s - self.waited_s)))


class Arm:
    """A started runner. It has imported torch and holds nothing else until `load`."""

    def __init__(self, zygote: Zygote) -> None:
        self.channel, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner:
            if zygote.gpu is None:
                limits, cpus = HOST_LIMITS, for_runners(PROCESSORS)[-1:]
            else:
                limits, cpus = GPU_LIMITS, for_runners(PROCESSORS)
            self._child: Child = zygote.fork(RUNNER, limits, inner, cpus)
        self._ready = False
        self._arena: Arena | None = None

    def wait_ready(self) -> None:
        """Wait until torch is imported. No candidate code has run yet: a failure here is ours."""
        if self._ready:
            return
        self.channel.settimeout(START_S)
        try:
            packet = self.channel.recv(MAX_ANSWER)
        except OSError:
            packet = b""
        if not packet:
            raise SandboxFailure(
                "sandbox_failed",
                f"The runner did not start: {self._last_words() or 'no message'}",
                "Run `assay doctor`.",
            )
        self._child.namespace.prefer()
        self._ready = True

    def load(self, solution: Solution, library: Path | None, timeout_s: float) -> None:
        """Put the solution in and let the runner load it; it is stopped from now on.

        Raises:
            CandidateFailure: its own code failed at import, or it cannot be found.
        """
        self.wait_ready()
        contents = {f"src/{source.path}": source.content.encode() for source in solution.sources}
        if library is not None:
            contents["solution.so"] = library.read_bytes()
        self._child.namespace.resume()
        with _memory(b"".join(contents.values())) as memory:
            self._ask(
                {
                    "op": "load",
                    "language": solution.spec.language,
                    "entry_file": solution.spec.entry_file,
                    "entry_symbol": solution.spec.entry_symbol,
                    "style": solution.spec.destination_passing_style,
                    "files": [
                        {"path": path, "bytes": len(content)} for path, content in contents.items()
                    ],
                },
                [memory.fileno()],
                timeout_s,
            )
        self._child.namespace.pause()

    def map(self, where: Layout, capacity: int, timeout_s: float) -> None:
        """Give the runner an arena for up to `capacity` calls, if it has none; it is stopped from now on.

        Raises:
            CandidateFailure: it broke the protocol.
        """
        self.wait_ready()
        old = self._arena
        if old is not None and old.layout == where and old.capacity >= capacity:
            return
        if old is not None:
            self._arena = None
            old.close()
        self._arena = arena = _arena(where, capacity)
        self._child.namespace.resume()
        self._ask({"op": "map", **arena.description()}, arena.descriptors, timeout_s)
        self._child.namespace.pause()

    @property
    def arena(self) -> Arena:
        """Where its inputs and outputs are."""
        assert self._arena is not None, "map an arena first"
        return self._arena

    def run(
        self,
        batch: Batch,
        timeout_s: float,
        op: str = "run",
        *,
        step: int | None = None,
        clocked: bool = False,
    ) -> Reply:
        """Challenge the runner with a batch; its arena then holds what came out.

        Args:
            batch: the inputs, laid out for its arena.
            timeout_s: after which it is hung.
            op: "run" calls the solution for each; "replay" launches what `capture` recorded; "idle" does
                everything else: what the protocol itself costs; "launches" launches 512 kernels that
                do next to nothing instead.
            step: how many calls have their inputs at a time; by default all on a GPU, one on a CPU.
            clocked: the GPU itself keeps turns and time.

        Raises:
            CandidateFailure: it raised, crashed, hung, used too much memory, or broke the protocol.
        """
        arena, namespace = self.arena, self._child.namespace
        namespace.look()
        step = step or (1 if arena.layout.device.type == "cpu" else len(batch))
        request = {"op": op, "count": len(batch), "values": batch.scalars(), "step": step}
        arena.prepare(batch, step)
        exchange = _Exchange(self, request | {"clocked": clocked}, [], timeout_s)
        if clocked:
            answer, steps_s = arena.clocked(namespace, exchange)
        else:
            answer, steps_s = arena.timed(namespace, exchange)
        steps = -(-len(batch) // step)
        wall_s = math.fsum(steps_s) * steps / len(steps_s)
        reported = answer.get("device_us") if arena.layout.device.type == "cuda" else None
        return Reply(
            wall_s, tuple(steps_s), _microseconds(reported), arena.revealing_s, arena.waited_s
        )

    def capture(self, batch: Batch, timeout_s: float, *, step: int | None = None) -> None:
        """Let the runner record the calls of a batch as CUDA graphs, one for each step; nothing is computed.

        Raises:
            CandidateFailure: it cannot be recorded, or what `run` raises.
        """
        namespace, count = self._child.namespace, len(batch)
        request = {
            "op": "capture",
            "count": count,
            "values": batch.scalars(),
            "step": step or count,
        }
        namespace.resume()
        self._ask(request, [], timeout_s)
        namespace.pause()

    def kill(self) -> None:
        """End the runner and everything it started; `close` clears away."""
        self._child.namespace.condemn()

    def await_end(self) -> None:
        """Kill the runner and everything it started, and wait until it is gone, its GPU work included.

        Raises:
            SandboxFailure: it does not end.
        """
        if not self._child.kill():
            raise SandboxFailure(
                "sandbox_failed",
                "A killed runner does not end: the GPU may hang.",
                "Look at it with nvidia-smi; try again when the process is gone.",
            )

    def close(self) -> None:
        """Kill the runner and everything it started."""
        self.channel.close()
        if self._arena is not None:
            self._arena.close()
        self._child.release()

    def _ask(
        self, request: dict[str, Any], descriptors: list[int], timeout_s: float
    ) -> dict[str, Any]:
        exchange = _Exchange(self, request, descriptors, timeout_s)
        exchange.send()
        return exchange.receive()

    def look(self) -> None:
        """See whether it uses too much memory."""
        self._child.namespace.look()

    def check(self, packet: bytes, nonce: str) -> dict[str, Any]:
        """An answer that is one, and says that all went well."""
        try:
            answer = json.loads(packet)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("nonce") != nonce:
            raise CandidateFailure("forged_reply", "The runner's answer was not the expected one.")
        error = answer.get("error")
        if answer.get("ok") is True and error is None:
            return answer
        if not isinstance(error, dict):
            raise CandidateFailure("forged_reply", "The runner's answer was not the expected one.")
        kind, message = str(error.get("kind"))[:40], str(error.get("message"))[:1000]
        raise CandidateFailure(
            MISMATCH.get(kind, "runtime_error"),
            f"In the solution's own words (untrusted): {plain(message)}",
        )

    def died(self) -> CandidateFailure:
        """What to say of a runner that is no longer there."""
        words = self._last_words()
        said = f" Its last words (untrusted): {words}" if words else ""
        return CandidateFailure("runtime_error", f"The solution's process ended.{said}")

    def _last_words(self) -> str:
        self._child.kill()
        text = self._child.output().decode("utf-8", "replace")[-600:]
        return plain(text)


class _Exchange:
    """One request and its answer."""

    def __init__(
        self, arm: Arm, request: dict[str, Any], descriptors: list[int], timeout_s: float
    ) -> None:
        self._arm = arm
        self._nonce = secrets.token_hex(16)
        self._packet = json.dumps({**request, "nonce": self._nonce}).encode()
        self._descriptors = descriptors
        self._timeout_s = timeout_s
        self._deadline = 0.0

    def send(self) -> None:
        self._deadline = time.monotonic() + self._timeout_s
        self._arm.channel.settimeout(self._timeout_s)
        try:
            socket.send_fds(self._arm.channel, [self._packet], self._descriptors)
        except OSError as error:
            raise self._arm.died() from error

    def waiting(self) -> bool:
        return self._answered(0)

    def receive(self) -> dict[str, Any]:
        while not self._answered(LOOK_S):
            pass
        try:
            answer = self._arm.channel.recv(MAX_ANSWER)
        except OSError as error:
            raise self._arm.died() from error
        if not answer:
            raise self._arm.died()
        return self._arm.check(answer, self._nonce)

    def _answered(self, within_s: float) -> bool:
        if select.select([self._arm.channel], [], [], within_s)[0]:
            return True
        left = self._deadline - time.monotonic()
        if left < 0:
            raise CandidateFailure("timeout", f"No answer within {self._timeout_s:.0f} s.")
        if self._timeout_s - left > LOOK_S:  # never during a short call: it would count
            self._arm.look()
        return False


def _arena(where: Layout, capacity: int) -> Arena:
    """An arena on the layout's device."""
    if where.device.type == "cpu":
        return HostArena(where, capacity)
    from sandbox.judge.device_arena import DeviceArena

    return DeviceArena(where, capacity)


def _microseconds(reported: object) -> float | None:
    """A time that a runner says, if it is one at all: it may say anything."""
    if type(reported) not in (int, float) or not 0 <= reported < MOST_US:  # type: ignore[operator]
        return None
    return float(reported)  # type: ignore[arg-type]


def _memory(content: bytes) -> BinaryIO:
    """Content in anonymous memory, to be handed over by descriptor."""
    file = os.fdopen(os.memfd_create("solution", os.MFD_CLOEXEC), "w+b")
    file.write(content)
    file.flush()
    file.seek(0)
    return file


def plain(text: str) -> str:
    """Without control and escape characters: it will be read by people and by models."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable()).strip()
