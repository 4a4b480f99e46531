"""A running command inside a sandbox: wait for it, pause it, end it with everything that it started.

The trusted side knows the first process of the sandbox's PID namespace, as bubblewrap names it, and
acts on the whole namespace through it.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import signal
import subprocess
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import IO

from sandbox.errors import CandidateFailure, SandboxFailure
from sandbox.slots import Slot

MAX_STREAM_BYTES = 1 << 20
PAUSE_SCANS = 20
PAUSE_S = 5.0
NOT_RUNNING = frozenset("TtZX")


class Process:
    """A running command. Leaving its context kills it with everything it started."""

    def __init__(self, popen: subprocess.Popen[bytes], slot: Slot, info: int) -> None:
        self._popen = popen
        self._slot = slot
        self._init_pid, self._init = _init_process(info)
        self._stdout = _Tail(popen.stdout)
        self._stderr = _Tail(popen.stderr)
        self._released = False

    @property
    def slot(self) -> Slot:
        return self._slot

    def wait(self, timeout_s: float) -> int | None:
        """The exit status, or None if it still runs after that long."""
        try:
            return self._popen.wait(timeout_s)
        except subprocess.TimeoutExpired:
            return None

    def kill(self) -> None:
        """End the whole process namespace and wait until it is gone."""
        if self._init is not None:
            with contextlib.suppress(ProcessLookupError):
                signal.pidfd_send_signal(self._init, signal.SIGKILL)
        self._popen.kill()
        self._popen.wait()
        if self._init is not None:
            select.select([self._init], [], [], 10.0)  # readable once the namespace is dead

    def pause(self) -> None:
        """Stop every process inside; once this returns, nothing of it runs until `resume`.

        Raises:
            CandidateFailure: new processes appear as fast as they are stopped.
        """
        stopped: set[int] = set()
        for _ in range(PAUSE_SCANS):
            found = self._inside() - stopped
            if not found:
                return
            for pid in found:
                _signal(pid, signal.SIGSTOP)
            for pid in found:
                _await_stopped(pid)
            stopped |= found
        raise CandidateFailure("will_not_stop", "It starts processes faster than they are stopped.")

    def resume(self) -> None:
        """Let everything inside go on."""
        for pid in self._inside():
            _signal(pid, signal.SIGCONT)

    def _inside(self) -> set[int]:
        """The processes of this sandbox: those in its process namespace."""
        found = set()
        for entry in Path("/proc").iterdir():
            if entry.name.isdigit():
                with contextlib.suppress(OSError):
                    if os.readlink(entry / "ns" / "pid") == self._namespace:  # noqa: PTH115
                        found.add(int(entry.name))
        return found

    @functools.cached_property
    def _namespace(self) -> str:
        if self._init_pid is None:
            raise SandboxFailure("sandbox_failed", "The sandbox's first process is not known.")
        return os.readlink(f"/proc/{self._init_pid}/ns/pid")  # noqa: PTH115

    def stdout(self) -> bytes:
        return self._stdout.value()

    def stderr(self) -> bytes:
        return self._stderr.value()

    def release(self) -> None:
        """Kill what is left and free the slot."""
        if self._released:
            return
        self._released = True
        self.kill()
        if self._init is not None:
            os.close(self._init)
        self._slot.release()

    def __enter__(self) -> Process:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.release()


class _Tail:
    """Reads a stream to its end in a thread, keeping its first and last part."""

    def __init__(self, stream: IO[bytes] | None) -> None:
        assert stream is not None
        self._stream = stream
        self._kept = bytearray()
        self._lock = threading.Lock()
        self._thread = threading.Thread(target=self._read, daemon=True)
        self._thread.start()

    def _read(self) -> None:
        with self._stream:
            while chunk := os.read(self._stream.fileno(), 65536):
                with self._lock:
                    self._kept += chunk
                    if len(self._kept) > MAX_STREAM_BYTES:
                        half = MAX_STREAM_BYTES // 2
                        self._kept[half:] = self._kept[-half:]

    def value(self) -> bytes:
        """What was read so far; all of it if the writer is dead."""
        self._thread.join(timeout=1.0)
        with self._lock:
            return bytes(self._kept)


def _signal(pid: int, number: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def _await_stopped(pid: int) -> None:
    """A stop signal only asks: wait until each thread has taken it.

    Raises:
        CandidateFailure: a thread still runs.
    """
    deadline = time.monotonic() + PAUSE_S
    while not _threads(pid) <= NOT_RUNNING:
        if time.monotonic() > deadline:
            raise CandidateFailure("will_not_stop", "It does not stop when it is told to.")
        time.sleep(0.0002)


def _threads(pid: int) -> set[str]:
    """The states of a process's threads, as /proc names them."""
    states = set()
    with contextlib.suppress(OSError):  # it ended
        for task in Path(f"/proc/{pid}/task").iterdir():
            with contextlib.suppress(OSError):
                states.add((task / "stat").read_text().rpartition(")")[2].split()[0])
    return states


def _init_process(info: int) -> tuple[int | None, int | None]:
    """The namespace's first process, which bubblewrap names on the info pipe: pid and pidfd."""
    with os.fdopen(info, "rb") as file:
        deadline = time.monotonic() + 10.0
        text = b""
        while time.monotonic() < deadline:
            ready, _, _ = select.select([file], [], [], 0.5)
            chunk = os.read(file.fileno(), 4096) if ready else b""
            text += chunk
            if (ready and not chunk) or text.rstrip().endswith(b"}"):
                break
    try:
        pid = int(json.loads(text)["child-pid"])
        return pid, os.pidfd_open(pid)
    except (ValueError, KeyError, ProcessLookupError):
        return None, None  # bubblewrap failed or the command already ended
