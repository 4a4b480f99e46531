"""The sandbox: commands in, outcomes out.

A command runs in namespaces of its own, under an unprivileged uid, with an allow-list of read-only
paths, no network, no inherited descriptor or environment, and limits on time, memory, processes and
files. It ends with its whole process namespace. Opening a sandbox runs its self-test; without a
sandbox that passes, nothing runs.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType

from sandbox import bwrap
from sandbox.errors import SandboxFailure
from sandbox.launch import FAILED
from sandbox.outputs import collect
from sandbox.process import Process
from sandbox.runtime import START, Mount, bare_python, runtime_mounts
from sandbox.slots import Slot, lease

MEMORY_BYTES = min(64 << 30, os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2)
"""What all processes of a sandbox may use together: half of the machine's memory, and never too much."""


@dataclass(frozen=True)
class Limits:
    """What a command may use: each process, but `wall_s` and `memory_bytes` are for all together.

    `address_bytes` breaks CUDA; `data_bytes` does not.
    """

    wall_s: float = 60.0
    cpu_s: int = 120
    file_bytes: int = 1 << 30
    processes: int = 256
    open_files: int = 1024
    tmp_bytes: int = 1 << 30
    data_bytes: int | None = 8 << 30
    address_bytes: int | None = None
    memory_bytes: int | None = MEMORY_BYTES

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
        devices: device nodes that appear inside, such as a leased GPU's.
    """

    argv: tuple[str, ...]
    files: Mapping[str, bytes] = field(default_factory=dict)
    mounts: tuple[Mount, ...] = ()
    env: Mapping[str, str] = field(default_factory=dict)
    devices: tuple[str, ...] = ()
    limits: Limits = field(default_factory=Limits)


@dataclass(frozen=True)
class Level:
    """A way to isolate. `launcher` is the program that carries out `sandbox.bwrap`'s options."""

    name: str
    launcher: tuple[str, ...]


@dataclass(frozen=True)
class Completed:
    """How a command ended. `outputs` are the files it left in `/sandbox/out`."""

    returncode: int
    stdout: bytes
    stderr: bytes
    timed_out: bool
    outputs: dict[str, bytes]


class Sandbox:
    """Runs commands at one isolation level."""

    def __init__(self, work: Path, level: Level) -> None:
        self.work = work
        self.level: str = level.name
        self.launcher = level.launcher

    def run(self, command: Command) -> Completed:
        """Run a command to its end or its wall-clock limit.

        Raises:
            SandboxFailure: the sandbox could not be set up; the command did not run.
            CandidateFailure: it used too much memory, or left too many or too large files.
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

    def start(self, command: Command) -> Process:
        """Start a command.

        Raises:
            SandboxFailure: no slot is free, or the sandbox cannot be started.
        """
        slot = lease(self.work)
        try:
            for name, content in command.files.items():
                _place(slot.inputs, name, content)
            return self._spawn(command, slot)
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

    def _spawn(self, command: Command, slot: Slot) -> Process:
        info_read, info_write = os.pipe()
        argv = bwrap.command_line(
            launcher=self.launcher,
            mounts=(*runtime_mounts(), *command.mounts),
            inputs=slot.inputs,
            outputs=slot.outputs,
            devices=command.devices,
            env=command.env,
            uid=slot.uid,
            limits=command.limits.inner(),
            tmp_bytes=command.limits.tmp_bytes,
            info=info_write,
            argv=command.argv,
        )
        try:
            popen = subprocess.Popen(
                argv,
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                pass_fds=[info_write],
                env={},
                cwd="/",
                start_new_session=True,
            )
        except OSError as error:
            os.close(info_read)
            raise SandboxFailure("sandbox_failed", f"Cannot start the sandbox: {error}.") from error
        finally:
            os.close(info_write)
        return Process(popen, slot, info_read, command.limits.memory_bytes)


class LazySandbox(Sandbox):
    """A sandbox that is opened and tested when it is first used."""

    def __init__(self, work: Path) -> None:
        super().__init__(work, Level("", ()))
        self._lock = threading.Lock()

    def start(self, command: Command) -> Process:
        with self._lock:
            if not self.launcher:
                opened = open_sandbox(self.work)
                self.level, self.launcher = opened.level, opened.launcher
        return super().start(command)


def levels() -> tuple[Level, ...]:
    """The ways to isolate that this machine might offer, the best first.

    Bubblewrap is used and reviewed by many; root can make the same namespaces without it. Less than
    that is no sandbox: without a process namespace nothing ends for sure (docs/decisions).
    """
    found = []
    program = shutil.which("bwrap", path="/usr/bin:/usr/local/bin:/bin") or shutil.which("bwrap")
    if program is not None:
        found.append(Level("bwrap", (program,)))
    if os.geteuid() == 0:
        library = str(Path(__file__).resolve().parents[1])
        words = (bare_python(), "-I", "-S", "-B", "-c", START.format(module="native"), library)
        found.append(Level("native", words))
    return tuple(found)


def open_sandbox(work: Path, offered: Sequence[Level] | None = None) -> Sandbox:
    """The best sandbox that this machine offers and whose self-test passes.

    Args:
        work: a directory for slots that only this user can enter.
        offered: by default `levels()`.

    Raises:
        SandboxFailure: `sandbox_unavailable`, with what each level said and what to change.
    """
    from sandbox.selftest import require, self_test

    work.mkdir(parents=True, exist_ok=True, mode=0o700)
    refused = []
    for level in levels() if offered is None else offered:
        sandbox = Sandbox(work, level)
        try:
            require(self_test(sandbox))
        except SandboxFailure as error:
            refused.append(f"{level.name}: {error.message}")
        else:
            return sandbox
    raise SandboxFailure(
        "sandbox_unavailable",
        "Nothing can be run safely here. " + (" ".join(refused) or "bubblewrap is not installed."),
        "Install bubblewrap (apt-get install -y bubblewrap). In a container, allow namespaces: "
        "--cap-add SYS_ADMIN --security-opt seccomp=unconfined --security-opt apparmor=unconfined.",
    )


def _place(directory: Path, name: str, content: bytes) -> None:
    target = directory / name
    if not target.resolve().is_relative_to(directory.resolve()):
        raise SandboxFailure("sandbox_failed", f"File name {name!r} leaves its directory.")
    target.parent.mkdir(parents=True, exist_ok=True, mode=0o755)
    target.write_bytes(content)
    target.chmod(0o444)
