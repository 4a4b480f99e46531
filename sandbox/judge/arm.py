"""An arm: one solution in its own single-use runner, and the protocol with it.

Everything that comes back is a size-capped JSON object that must echo a fresh random nonce, so an
answer cannot be prepared. Descriptors that a runner sends are dropped by the kernel, since none are
asked for. A runner that crashes, hangs or talks nonsense is the solution's failure, not the judge's.
"""

from __future__ import annotations

import json
import os
import secrets
import socket
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sandbox.box import Command, Limits, Sandbox
from sandbox.errors import CandidateFailure, SandboxFailure
from sandbox.judge.arena import Arena
from sandbox.process import Process
from sandbox.runtime import LIBRARY, python
from sandbox.solution import Solution

MAX_ANSWER = 1 << 16
START_S = 60.0
LIMITS = Limits(wall_s=3600.0, cpu_s=3600, processes=64, data_bytes=8 << 30, tmp_bytes=256 << 20)

STEADY_HEAP = {
    # Memory that a call frees stays with the process: otherwise large temporaries are mapped and
    # faulted in again at each call, or not, depending on what happened to lie at the heap's top.
    "MALLOC_MMAP_MAX_": "0",
    "MALLOC_TRIM_THRESHOLD_": str(16 << 30),
    "MALLOC_TOP_PAD_": str(64 << 20),
}

MISMATCH = {
    "shape": "INCORRECT_SHAPE",
    "count": "INCORRECT_SHAPE",
    "dtype": "INCORRECT_DTYPE",
}


@dataclass(frozen=True)
class Reply:
    """A verified answer: how long it took from outside."""

    wall_s: float


class Arm:
    """A started runner. It has imported torch and holds nothing else until `load`."""

    def __init__(self, sandbox: Sandbox) -> None:
        self._channel, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        with inner:
            code = f"import sys; sys.path.insert(0, {LIBRARY!r})\n"
            code += "from sandbox.runner.main import main\nmain()"
            self._process: Process = sandbox.start(
                Command(
                    argv=(python(), "-I", "-B", "-c", code),
                    env={
                        "OMP_NUM_THREADS": "1",
                        "MKL_NUM_THREADS": "1",
                        "OPENBLAS_NUM_THREADS": "1",
                        "PYTHONDONTWRITEBYTECODE": "1",
                        **STEADY_HEAP,
                    },
                    limits=LIMITS,
                    cpus=(max(os.sched_getaffinity(0)),),
                ),
                inner,
            )
        self._ready = False
        self.style = True

    def wait_ready(self) -> None:
        """Wait until torch is imported. No candidate code has run yet: a failure here is ours."""
        if self._ready:
            return
        self._channel.settimeout(START_S)
        try:
            packet = self._channel.recv(MAX_ANSWER)
        except OSError:
            packet = b""
        if not packet:
            raise SandboxFailure(
                "sandbox_failed",
                f"The runner did not start: {self._last_words() or 'no message'}",
                "Run `assay doctor`.",
            )
        self._ready = True

    def load(self, solution: Solution, library: Path | None, timeout_s: float) -> None:
        """Put the solution in and let the runner load it.

        Raises:
            CandidateFailure: its own code failed at import, or it cannot be found.
        """
        self.wait_ready()
        inputs = self._process.slot.inputs
        for source in solution.sources:
            target = inputs / "src" / source.path
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
            target.write_text(source.content, "utf-8")
        if library is not None:
            (inputs / "solution.so").write_bytes(library.read_bytes())
        self.style = solution.spec.destination_passing_style
        self._ask(
            {
                "op": "load",
                "language": solution.spec.language,
                "entry_file": solution.spec.entry_file,
                "entry_symbol": solution.spec.entry_symbol,
                "style": self.style,
                "library": "/sandbox/in/solution.so" if library else None,
            },
            None,
            timeout_s,
        )

    def run(self, arena: Arena, timeout_s: float) -> Reply:
        """Run the solution on every slot of an arena; the clock is outside.

        Raises:
            CandidateFailure: it raised, crashed, hung, or broke the protocol.
        """
        return self._ask({"op": "run", **arena.message()}, arena, timeout_s)

    def map_only(self, arena: Arena, timeout_s: float) -> Reply:
        """The same without calling the solution: what the protocol itself costs."""
        return self._ask({"op": "map", **arena.message()}, arena, timeout_s)

    def pause(self) -> None:
        """Stop the runner and everything it started.

        Raises:
            CandidateFailure: it will not be stopped.
        """
        self._process.pause()

    def resume(self) -> None:
        """Let it go on."""
        self._process.resume()

    def close(self) -> None:
        """Kill the runner and everything it started."""
        self._channel.close()
        self._process.release()

    def _ask(self, request: dict[str, Any], arena: Arena | None, timeout_s: float) -> Reply:
        nonce = secrets.token_hex(16)
        packet = json.dumps({**request, "nonce": nonce}).encode()
        self._channel.settimeout(timeout_s)
        started = time.perf_counter()
        try:
            if arena is None:
                self._channel.send(packet)
            else:
                socket.send_fds(self._channel, [packet], [arena.fd])
            answer = self._channel.recv(MAX_ANSWER)
            wall_s = time.perf_counter() - started
        except TimeoutError:
            raise CandidateFailure("timeout", f"No answer within {timeout_s:.0f} s.") from None
        except OSError as error:
            raise self._died() from error
        if not answer:
            raise self._died()
        self._check(answer, nonce)
        return Reply(wall_s)

    def _check(self, packet: bytes, nonce: str) -> None:
        try:
            answer = json.loads(packet)
        except (ValueError, RecursionError):
            answer = None
        if not isinstance(answer, dict) or answer.get("nonce") != nonce:
            raise CandidateFailure("forged_reply", "The runner's answer was not the expected one.")
        error = answer.get("error")
        if answer.get("ok") is True and error is None:
            return
        if not isinstance(error, dict):
            raise CandidateFailure("forged_reply", "The runner's answer was not the expected one.")
        kind, message = str(error.get("kind"))[:40], str(error.get("message"))[:1000]
        raise CandidateFailure(
            MISMATCH.get(kind, "runtime_error"),
            f"In the solution's own words (untrusted): {plain(message)}",
        )

    def _died(self) -> CandidateFailure:
        words = self._last_words()
        said = f" Its last words (untrusted): {words}" if words else ""
        return CandidateFailure("runtime_error", f"The solution's process ended.{said}")

    def _last_words(self) -> str:
        self._process.kill()
        text = self._process.stderr().decode("utf-8", "replace")[-600:]
        return plain(text)


def plain(text: str) -> str:
    """Without control and escape characters: it will be read by people and by models."""
    return "".join(c for c in text if c in "\n\t" or c.isprintable()).strip()
