"""A running command inside a sandbox: wait for it, pause it, end it with everything that it started.

The trusted side knows the first process of the sandbox's PID namespace, and
acts on the whole namespace through it.
"""

from __future__ import annotations

import contextlib
import json
import os
import select
import signal
import subprocess
import threading
import time
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import IO

from sandbox.errors import CandidateFailure
from sandbox.processors import prefer
from sandbox.slots import Slot

MAX_STREAM_BYTES = 1 << 20
PAUSE_SCANS = 20
PAUSE_S = 5.0
TOLERATED_NS = 100_000
TOLERATED_TIMES = 2
LOOK_S = 0.25
NOT_RUNNING = frozenset("TtZX")


class Namespace:
    """The process namespace of a sandbox, held by its first process.

    Args:
        pid: the first process, as the trusted side numbers it.
        pidfd: a descriptor of it, owned from now on.
        memory_bytes: what all processes inside may use together.
    """

    def __init__(self, pid: int, pidfd: int, memory_bytes: int | None = None) -> None:
        self._pid = pid
        self._pidfd = pidfd
        self._memory_bytes = memory_bytes
        self._look_at = 0.0
        self._stopped_at: dict[int, Ran] | None = None
        self._resumed: list[int] = []
        self._went_on = 0

    def condemn(self) -> None:
        """Tell the kernel to end every process inside, without waiting for it."""
        with contextlib.suppress(ProcessLookupError):
            signal.pidfd_send_signal(self._pidfd, signal.SIGKILL)

    def kill(self) -> bool:
        """End every process inside and wait until they are gone, for ten seconds at most; say if they are."""
        self.condemn()
        return bool(select.select([self._pidfd], [], [], 10.0)[0])  # once the namespace is dead

    def prefer(self) -> None:
        """Let what is inside have its processors rather than others."""
        prefer(self._pid)

    def look(self) -> None:
        """See, a few times a second at most, whether what is inside uses too much memory together.

        The kernel's own limits are for each process. Memory that no process has mapped is not counted.

        Raises:
            CandidateFailure: it does.
        """
        if self._memory_bytes is None or time.monotonic() < self._look_at:
            return
        inside = self.inside()
        if sum(map(_memory, inside)) > self._memory_bytes < sum(map(_memory_share, inside)):
            raise CandidateFailure(
                "out_of_memory",
                f"Its processes used more than {self._memory_bytes / (1 << 30):.3g} GiB of memory.",
                "Start fewer processes, or keep less in each.",
            )
        self._look_at = time.monotonic() + LOOK_S

    def pause(self) -> None:
        """Stop every process inside; once this returns, nothing of it runs until `resume`.

        Raises:
            CandidateFailure: new processes appear as fast as they are stopped.
        """
        stopped: set[int] = set()
        for _ in range(PAUSE_SCANS):
            found = self.inside() - stopped
            if not found:
                self._stopped_at = _settled_run_times(stopped)
                return
            for pid in found:
                _signal(pid, signal.SIGSTOP)
            for pid in found:
                _await_stopped(pid)
            stopped |= found
        raise CandidateFailure("will_not_stop", "It starts processes faster than they are stopped.")

    def resume(self) -> None:
        """Let everything inside go on.

        Processes can wake each other at the very moment when they are stopped, so that they stayed
        stopped is checked, by the processor time that each has used, and how often it was given some:
        it may have started another that is gone by now. On a busy machine a thread's last moments
        before a stop may be booked late: once or twice proves nothing, and moves no median.

        Raises:
            CandidateFailure: again and again something of it ran after `pause`.
        """
        inside = self.inside()
        before, now = self._stopped_at, run_times(inside)
        self._stopped_at = None
        self._resumed = list(now)
        for pid in inside:
            _signal(pid, signal.SIGCONT)
        if before is None:
            return
        both = [(was, now.get(task, was)) for task, was in before.items()]
        ran_ns = sum(last.used_ns - was.used_ns for was, last in both)
        woke = any(last.times != was.times for was, last in both)
        self._went_on += now.keys() != before.keys() or woke or ran_ns > TOLERATED_NS
        if self._went_on > TOLERATED_TIMES:
            raise CandidateFailure("ran_while_stopped", "It went on while it had to be stopped.")

    def waited_ns(self) -> int:
        """How long the threads that were inside when it last went on waited for a processor so far, and this
        one with them."""
        total = _ran("/proc/thread-self").waited_ns
        for task in self._resumed:
            with contextlib.suppress(OSError):  # it ended
                total += _ran(f"/proc/{task}").waited_ns
        return total

    def inside(self) -> set[int]:
        """The processes inside, as the trusted side numbers them.

        Whatever is started inside descends from the first process: the kernel gives it the orphans.
        """
        found: set[int] = set()
        found_now = {self._pid}
        while found_now:
            found |= found_now
            found_now = {child for pid in found_now for child in _children(pid)} - found
        return found

    def close(self) -> None:
        os.close(self._pidfd)


class Process:
    """A running command. Leaving its context kills it with everything it started."""

    def __init__(
        self,
        popen: subprocess.Popen[bytes],
        slot: Slot,
        info: int,
        memory_bytes: int | None = None,
    ) -> None:
        self._popen = popen
        self._slot = slot
        self.namespace = _first_process(info, memory_bytes)
        self._stdout = Tail(popen.stdout)
        self._stderr = Tail(popen.stderr)
        self._released = False

    @property
    def slot(self) -> Slot:
        return self._slot

    def wait(self, timeout_s: float) -> int | None:
        """The exit status, or None if it still runs after that long.

        Raises:
            CandidateFailure: it uses more memory than it may.
        """
        deadline = time.monotonic() + timeout_s
        while (left := deadline - time.monotonic()) > 0:
            with contextlib.suppress(subprocess.TimeoutExpired):
                return self._popen.wait(min(left, LOOK_S))
            if self.namespace is not None:
                self.namespace.look()
        return self._popen.poll()

    def kill(self) -> None:
        """End the whole process namespace and wait until it is gone."""
        if self.namespace is not None:
            self.namespace.kill()
        self._popen.kill()
        self._popen.wait()

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
        if self.namespace is not None:
            self.namespace.close()
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


class Tail:
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


@dataclass(frozen=True)
class Ran:
    """How long a thread had a processor and how long it waited for one, in nanoseconds, and how often."""

    used_ns: int
    waited_ns: int
    times: int


def run_times(pids: set[int]) -> dict[int, Ran]:
    """What each thread of these processes has run, where the kernel keeps count."""
    return {task: ran for pid in pids for task, ran in _run_times(pid).items()}


def _settled_run_times(pids: set[int]) -> dict[int, Ran]:
    """The same once nothing moves: a thread's last moments count when it left its processor."""
    times = run_times(pids)
    for _ in range(PAUSE_SCANS):
        again = run_times(pids)
        if again == times:
            break
        times = again
    return times


def _children(pid: int) -> list[int]:
    found: list[int] = []
    with contextlib.suppress(OSError):  # it ended
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                found += map(int, _read(f"/proc/{pid}/task/{task}/children").split())
    return found


def _children_by_scan(pid: int) -> list[int]:
    """The same on a kernel without CONFIG_PROC_CHILDREN, where it takes a look at every process."""
    found = []
    for entry in os.scandir("/proc"):
        if entry.name.isdigit():
            with contextlib.suppress(OSError):
                stat = (Path(entry.path) / "stat").read_text("utf-8", "replace")
                if int(stat.rpartition(")")[2].split()[1]) == pid:
                    found.append(int(entry.name))
    return found


if not Path(f"/proc/self/task/{os.getpid()}/children").exists():
    _children = _children_by_scan


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
        time.sleep(0)  # it takes microseconds, and how long it takes is part of a measurement


def _threads(pid: int) -> set[str]:
    """The states of a process's threads, as /proc names them."""
    states = set()
    with contextlib.suppress(OSError):  # it ended
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                stat = _read(f"/proc/{pid}/task/{task}/stat")
                states.add(stat.rpartition(b")")[2].split()[0].decode())
    return states


def _run_times(pid: int) -> dict[int, Ran]:
    found = {}
    with contextlib.suppress(OSError):  # it ended
        for task in os.listdir(f"/proc/{pid}/task"):  # noqa: PTH208
            with contextlib.suppress(OSError):
                found[int(task)] = _ran(f"/proc/{pid}/task/{task}")
    return found


def _ran(task: str) -> Ran:
    return Ran(*map(int, _read(f"{task}/schedstat").split()))


def _memory(pid: int) -> int:
    """Bytes of a process that are no file's; shared ones count in each process."""
    return _kilobytes(f"/proc/{pid}/status", (b"RssAnon:", b"RssShmem:", b"VmSwap:")) << 10


def _memory_share(pid: int) -> int:
    """The same, what is shared divided by those who share it; the kernel takes longer to say so."""
    names = (b"Pss_Anon:", b"Pss_Shmem:", b"SwapPss:")
    return _kilobytes(f"/proc/{pid}/smaps_rollup", names) << 10


def _kilobytes(path: str, names: tuple[bytes, ...]) -> int:
    found = 0
    with contextlib.suppress(OSError):  # it ended
        for line in _read(path).splitlines():
            if line.startswith(names):
                found += int(line.split()[1])
    return found


def _read(path: str) -> bytes:
    """A file below /proc. There are thousands in a measurement, so no objects are made for them."""
    descriptor = os.open(path, os.O_RDONLY)
    try:
        text = b""
        while part := os.read(descriptor, 1 << 16):
            text += part
        return text
    finally:
        os.close(descriptor)


def _first_process(info: int, memory_bytes: int | None) -> Namespace | None:
    """The namespace's first process, which is named on the info pipe."""
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
        return Namespace(pid, os.pidfd_open(pid), memory_bytes)
    except (ValueError, KeyError, ProcessLookupError):
        return None  # the sandbox failed or the command already ended
