"""The namespaces of a sandbox without bubblewrap: its options, carried out by root itself.

For machines where bubblewrap is missing or does not work. It knows the options that `sandbox.bwrap`
writes and no others, so both levels have one description of what is visible inside, one launcher after
it and one self-test. Standard library only.

Three processes, as with bubblewrap: the outer one waits and passes on how the command ended; the first
one inside makes the file system, then reaps; the second becomes the command. When the outer one dies, so
does the first one inside, and the kernel ends everything else there.

Sources: the manual pages namespaces(7), pivot_root(2), capabilities(7), bwrap(1).
"""

from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial

from sandbox import kernel
from sandbox.launch import FAILED

NAMESPACES = {
    "--unshare-pid": kernel.NEW_PROCESSES,
    "--unshare-net": kernel.NEW_NETWORK,
    "--unshare-ipc": kernel.NEW_IPC,
    "--unshare-uts": kernel.NEW_HOST_NAME,
}
ALWAYS = ("--unshare-cgroup-try", "--die-with-parent", "--new-session", "--clearenv")
CAPABILITIES = {"CAP_SETGID": 6, "CAP_SETUID": 7, "CAP_SETPCAP": 8, "CAP_SYS_ADMIN": 21}
DEVICES = ("null", "zero", "full", "random", "urandom", "tty")
LINKS = {
    "fd": "/proc/self/fd",
    "stdin": "/proc/self/fd/0",
    "stdout": "/proc/self/fd/1",
    "stderr": "/proc/self/fd/2",
    "ptmx": "pts/ptmx",
}
PROC_READ_ONLY = ("sys", "sysrq-trigger", "irq", "bus")
PLAIN = kernel.NO_SUID | kernel.NO_DEVICES

OLD, NEW = "/old", "/new"
"""The host's files and those of the sandbox, while it is being made."""


@dataclass
class Plan:
    """What the options ask for. `steps` make the file system, in their order."""

    namespaces: int = kernel.NEW_MOUNTS
    hostname: str = "sandbox"
    info: int | None = None
    environment: dict[str, str] = field(default_factory=dict)
    capabilities: tuple[int, ...] = ()
    steps: list[Callable[[], None]] = field(default_factory=list)
    directory: str = "/"
    command: list[str] = field(default_factory=list)


def main(words: list[str]) -> None:
    """Make the sandbox, run the command in it, and end as it ends; with `FAILED` if there is none."""
    _never_return(partial(_outside, words))


def read(words: Iterator[str]) -> Plan:
    """Understand the options.

    Raises:
        OSError: an option is unknown; to pass over one could open a door.
    """
    plan = Plan()
    mode, size = 0o755, 0
    for word in words:
        if word in NAMESPACES:
            plan.namespaces |= NAMESPACES[word]
        elif word == "--perms":
            mode = int(next(words), 8)
        elif word == "--size":
            size = int(next(words))
        elif word == "--hostname":
            plan.hostname = next(words)
        elif word == "--chdir":
            plan.directory = next(words)
        elif word == "--info-fd":
            plan.info = int(next(words))
        elif word == "--setenv":
            name, value = next(words), next(words)
            plan.environment[name] = value
        elif word == "--cap-drop":
            next(words)  # all are dropped but those that follow
        elif word == "--cap-add":
            plan.capabilities += (CAPABILITIES[next(words)],)
        elif word == "--":
            plan.command = list(words)
        elif word not in ALWAYS:
            plan.steps.append(_step(word, words, mode, size))
            mode, size = 0o755, 0
    return plan


def _step(word: str, words: Iterator[str], mode: int, size: int) -> Callable[[], None]:
    """An option that changes the file system. Links are followed now, while they mean the host's."""
    if word in ("--bind", "--ro-bind", "--ro-bind-try", "--dev-bind"):
        source, target = os.path.realpath(next(words)), next(words)
        if word == "--ro-bind-try" and not os.path.exists(source):  # noqa: PTH110
            return lambda: None
        attributes = kernel.NO_SUID if word == "--dev-bind" else PLAIN
        return partial(_bind, source, target, attributes | ("ro-" in word and kernel.READ_ONLY))
    if word == "--symlink":
        return partial(_link, next(words), next(words))
    if word == "--dir":
        return partial(_directory, next(words), mode)
    if word == "--tmpfs":
        return partial(_tmpfs, next(words), mode, size)
    if word == "--proc":
        return partial(_proc, next(words))
    if word == "--dev":
        return partial(_dev, next(words))
    if word == "--remount-ro":
        return partial(kernel.restrict_mount, NEW + next(words), PLAIN | kernel.READ_ONLY, False)
    raise OSError(f"unknown option {word}")


def _outside(words: list[str]) -> int:
    plan = read(iter(words))
    kernel.die_with_parent()
    kernel.unshare(plan.namespaces)
    kernel.may_unshare(kernel.NEW_CGROUP)  # absent on some kernels, and nothing depends on it
    waits, goes = os.pipe()
    first = os.fork()
    if first == 0:
        os.close(goes)
        _never_return(partial(_first_inside, plan, waits))
    if plan.info is not None:
        os.write(plan.info, json.dumps({"child-pid": first}).encode())
    os.write(goes, b"x")
    os.closerange(3, 4096)
    return _ending(first)


def _first_inside(plan: Plan, waits: int) -> int:
    """Process 1 inside: make the file system, start the command, reap until that one ends."""
    kernel.die_with_parent()
    if not os.read(waits, 1):
        return FAILED  # the outer one died before the kernel knew that this one should, too
    os.close(waits)
    if plan.info is not None:
        os.close(plan.info)
    with contextlib.suppress(PermissionError):  # a session leader already
        os.setsid()
    kernel.set_host_name(plan.hostname)
    _file_system(plan.steps)
    kernel.drop_from_bounding_set(but=plan.capabilities)
    kernel.prctl(kernel.SET_NO_NEW_PRIVS, 1)
    kernel.set_capabilities(plan.capabilities)
    command = os.fork()
    if command == 0:
        os.chdir(plan.directory)
        os.execve(plan.command[0], plan.command, plan.environment)
    os.closerange(3, 4096)
    return _ending(command)


def _ending(awaited: int) -> int:
    """Wait for a child, and for what the kernel hands over meanwhile; its status as shells give it."""
    while True:
        pid, status = os.wait()
        if pid == awaited:
            code = os.waitstatus_to_exitcode(status)
            return code if code >= 0 else 128 - code


def _file_system(steps: list[Callable[[], None]]) -> None:
    """A new root, empty but for what the steps put there; the old one is gone afterwards."""
    os.umask(0)
    kernel.mount(None, "/", None, kernel.RECURSIVE | kernel.PRIVATE)
    base = "/tmp"  # noqa: S108 - every system has it; what lies below can be reached through OLD
    kernel.mount("tmpfs", base, "tmpfs", PLAIN, "mode=0755")
    for place in (OLD, NEW):
        os.mkdir(base + place)  # noqa: PTH102
    kernel.pivot_root(base, base + OLD)
    os.chdir("/")
    kernel.mount("tmpfs", NEW, "tmpfs", PLAIN, "mode=0755")
    for step in steps:
        step()
    kernel.unmount(OLD)
    os.chdir(NEW)
    kernel.pivot_root(".", ".")  # the old one lies on top of the new one now
    kernel.unmount(".")
    os.chdir("/")


def _bind(source: str, target: str, attributes: int) -> None:
    inside = NEW + target
    if os.path.isdir(OLD + source):  # noqa: PTH112
        os.makedirs(inside, 0o755, exist_ok=True)  # noqa: PTH103
    else:
        os.makedirs(os.path.dirname(inside), 0o755, exist_ok=True)  # noqa: PTH103, PTH120
        os.close(os.open(inside, os.O_CREAT | os.O_WRONLY, 0o444))
    kernel.mount(OLD + source, inside, None, kernel.BIND | kernel.RECURSIVE)
    kernel.restrict_mount(inside, attributes, all_below=True)


def _link(points_to: str, target: str) -> None:
    os.symlink(points_to, NEW + target)  # noqa: PTH211


def _directory(target: str, mode: int) -> None:
    os.makedirs(NEW + target, mode, exist_ok=True)  # noqa: PTH103


def _tmpfs(target: str, mode: int, size: int) -> None:
    _directory(target, 0o755)
    limit = f",size={size}" if size else ""
    kernel.mount("tmpfs", NEW + target, "tmpfs", PLAIN, f"mode={mode:o}{limit}")


def _proc(target: str) -> None:
    _directory(target, 0o755)
    kernel.mount("proc", NEW + target, "proc", PLAIN | kernel.NO_EXEC)
    for name in PROC_READ_ONLY:
        path = f"{NEW}{target}/{name}"
        if os.path.exists(path):  # noqa: PTH110
            kernel.mount(path, path, None, kernel.BIND | kernel.RECURSIVE)
            kernel.restrict_mount(path, PLAIN | kernel.NO_EXEC | kernel.READ_ONLY, all_below=True)


def _dev(target: str) -> None:
    _tmpfs(target, 0o755, 0)
    for name in DEVICES:
        if os.path.exists(f"{OLD}/dev/{name}"):  # noqa: PTH110
            _bind(f"/dev/{name}", f"{target}/{name}", kernel.NO_SUID)
    for name, points_to in LINKS.items():
        _link(points_to, f"{target}/{name}")
    _directory(f"{target}/shm", 0o755)
    _directory(f"{target}/pts", 0o755)
    options = "newinstance,ptmxmode=0666,mode=620"
    kernel.mount("devpts", f"{NEW}{target}/pts", "devpts", kernel.NO_SUID | kernel.NO_EXEC, options)


def _never_return(program: Callable[[], int]) -> None:
    """Nothing of this Python may run after it: a forked child has its parent's plans, too."""
    status = FAILED
    try:
        status = program()
    except BaseException as error:
        os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode())
    os._exit(status)
