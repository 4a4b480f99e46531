"""The sandbox: commands in, outcomes out.

A command runs in namespaces of its own, under an unprivileged uid, with an allow-list of read-only
paths, no network, no inherited descriptor or environment, and limits on time, memory, processes and
files. It ends with its whole process namespace. Opening a sandbox runs its self-test; without a
sandbox that passes, nothing runs.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import select
import shutil
import signal
import socket
import subprocess
import threading
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import IO

from sandbox import bwrap
from sandbox.errors import CandidateFailure, SandboxFailure
from sandbox.launch import FAILED
from sandbox.outputs import collect
from sandbox.runtime import Mount, runtime_mounts
from sandbox.slots import Slot, lease

MAX_STREAM_BYTES = 1 << 20
PAUSE_SCANS = 20


@dataclass(frozen=True)
class Limits:
    """What a command may use. `address_bytes` breaks CUDA; `data_bytes` does not."""

    wall_s: float = 60.0
    cpu_s: int = 120
    file_bytes: int = 1 << 30
    processes: int = 256
    open_files: int = 1024
    tmp_bytes: int = 1 << 30
    data_bytes: int | None = 8 << 30
    address_bytes: int | None = None

    def inner(self) -> dict[str, int]:
        """Those that the launcher sets."""
        named = {
            "cpu_s": self.cpu_s,
            "file_bytes": self.file_bytes,
            "processes": self.processes,
            "open_files": self.open_files,
            "data_bytes": self.data_bytes,
            "address_bytes": self.address_bytes,
        }
        return {name: value for name, value in named.items() if value is not None}


@dataclass(frozen=True)
class Command:
    """What to run inside.

    Attributes:
        argv: the command; its first word is a path inside.
        files: small files that appear, read-only, below `/sandbox/in`.
        mounts: further paths; the Python runtime is always there.
        env: the whole environment beyond PATH, HOME, TMPDIR, LANG, USER.
        cpus: the processors it is bound to, for good; empty for all.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    device: str = "cpu"
    cpus: tuple[int, ...] = ()


@dataclass(frozen=True)
class Completed:
    """How a command ended. `outputs` are the files it left in `/sandbox/out`."""

    returncode: int
    stdout: bytes
    stderr: bytes
    timed_out: bool
    outputs: dict[str, bytes]


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
        """Stop every process inside, so that nothing of it runs until `resume`.

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


class Sandbox:
    """Runs commands at one isolation level."""

    level = "bwrap"

    def __init__(self, work: Path, program: str) -> None:
        self._work = work
        self._program = program

    def run(self, command: Command) -> Completed:
        """Run a command to its end or its wall-clock limit.

        Raises:
            SandboxFailure: the sandbox could not be set up; the command did not run.
            CandidateFailure: it left too many or too large files.
        """
        with self.start(command) as process:
            returncode = process.wait(command.limits.wall_s)
            timed_out = returncode is None
            process.kill()
            if returncode == FAILED or (returncode == 1 and process.stderr().startswith(b"bwrap:")):
                raise SandboxFailure(
                    "sandbox_failed",
                    "The sandbox could not be set up: "
                    + process.stderr().decode("utf-8", "replace")[-500:].strip(),
                    "Run `assay doctor`.",
                )
            return Completed(
                returncode=-signal.SIGKILL if returncode is None else returncode,
                stdout=process.stdout(),
                stderr=process.stderr(),
                timed_out=timed_out,
                outputs=collect(process.slot.outputs),
            )

    def start(self, command: Command, channel: socket.socket | None = None) -> Process:
        """Start a command; `channel` becomes its descriptor 3.

        Raises:
            SandboxFailure: no slot is free, or the device is not available.
        """
        if command.device != "cpu":
            raise SandboxFailure(
                "device_unavailable",
                f"Device {command.device!r} cannot be passed into the sandbox yet.",
                "Use device='cpu'.",
            )
        slot = lease(self._work)
        try:
            for name, content in command.files.items():
                _place(slot.inputs, name, content)
            return self._spawn(command, slot, channel)
        except BaseException:
            slot.release()
            raise

    def close(self) -> None:
        """Nothing is held between commands."""

    def __enter__(self) -> Sandbox:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _spawn(self, command: Command, slot: Slot, channel: socket.socket | None) -> Process:
        info_read, info_write = os.pipe()
        passed = [info_write]
        if channel is not None:
            passed.append(channel.fileno())
        argv = bwrap.command_line(
            program=self._program,
            mounts=(*runtime_mounts(), *command.mounts),
            inputs=slot.inputs,
            outputs=slot.outputs,
            env=command.env,
            uid=slot.uid,
            limits=command.limits.inner(),
            tmp_bytes=command.limits.tmp_bytes,
            channel=channel.fileno() if channel is not None else None,
            info=info_write,
            cpus=command.cpus,
            argv=command.argv,
        )
        try:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=passed,
                env={},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            os.close(info_read)
            raise SandboxFailure("sandbox_failed", f"Cannot start bubblewrap: {error}.") from error
        finally:
            os.close(info_write)
        return Process(popen, slot, info_read)


class LazySandbox(Sandbox):
    """A sandbox that is opened and tested when it is first used."""

    def __init__(self, work: Path) -> None:
        super().__init__(work, "")
        self._lock = threading.Lock()

    def start(self, command: Command, channel: socket.socket | None = None) -> Process:
        with self._lock:
            if not self._program:
                opened = open_sandbox(self._work)
                self._program = opened._program
        return super().start(command, channel)


def open_sandbox(work: Path) -> Sandbox:
    """The strongest sandbox that this machine offers, after its self-test.

    Args:
        work: a directory for slots that only this user can enter.

    Raises:
        SandboxFailure: `sandbox_unavailable`, with what to install or change.
    """
    program = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin") or shutil.which("bwrap")
    if program is None:
        raise SandboxFailure(
            "sandbox_unavailable",
            "bubblewrap is not installed, so nothing can be run safely.",
            "Install it with: apt-get install -y bubblewrap",
        )
    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    sandbox = Sandbox(work, program)
    from sandbox.selftest import self_test

    result = self_test(sandbox)
    failed = [check for check in result.checks if not check.ok]
    if failed:
        raise SandboxFailure(
            "sandbox_unavailable",
            "The sandbox's self-test failed: "
            + "; ".join(f"{check.name} ({check.detail})" for check in failed),
            "Nothing runs without isolation. See `assay doctor`.",
        )
    return sandbox


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


def _place(directory: Path, name: str, content: bytes) -> None:
    target = directory / name
    if not target.resolve().is_relative_to(directory.resolve()):
        raise SandboxFailure("sandbox_failed", f"File name {name!r} leaves its directory.")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    target.write_bytes(content)
    target.chmod(0o444)
