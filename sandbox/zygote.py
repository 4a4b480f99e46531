"""The fork server inside a sandbox: imports once, then one confined, single-use child a request.

Started inside a sandbox, with the right to make namespaces and no
other. It is trusted: no candidate code ever runs in it, it knows no secret, and its children lose
its rights before they read anything. A child has its own process, mount, network, IPC and host-name
namespaces, its own /tmp and /proc, and is confined by the launcher's own steps.

Forking is sound only while there is one thread and no CUDA context; both are checked.

Protocol on the control descriptor:

    ← {"ready": true}                                   when everything is imported
    → {"policy", "program"} + descriptors of the channel and the standard output/error pipe
    ← {"child": true} + a pidfd of the child, the first process of its namespace
"""

from __future__ import annotations

import contextlib
import gc
import importlib
import json
import os
import socket
import sys
from collections.abc import Callable
from functools import partial
from typing import Any

from sandbox import kernel
from sandbox.launch import confine

CHANNEL = 3
MAX_REQUEST = 1 << 17
PLAIN = kernel.NO_SUID | kernel.NO_DEVICES


def main(arguments: list[str]) -> None:
    """Serve fork requests until the other side closes the control socket."""
    settings = json.loads(arguments[0])
    control = socket.socket(fileno=settings["control"])
    own_namespace = os.open("/proc/self/ns/pid", os.O_RDONLY | os.O_CLOEXEC)
    for module in settings["imports"]:
        importlib.import_module(module)
    _check_that_forking_is_sound()
    gc.collect()
    gc.freeze()  # a collection in a child would copy every page that it looks at
    control.send(json.dumps({"ready": True}).encode())
    while True:
        packet, descriptors, _, _ = socket.recv_fds(control, MAX_REQUEST, 2)
        if not packet:
            return
        request = json.loads(packet)
        request["policy"]["kept"] = settings["kept"]
        pidfd = _fork(own_namespace, partial(_child, control, request, descriptors))
        for descriptor in descriptors:
            os.close(descriptor)
        socket.send_fds(control, [json.dumps({"child": True}).encode()], [pidfd])
        os.close(pidfd)
        _reap()


def _check_that_forking_is_sound() -> None:
    threads = len(os.listdir("/proc/self/task"))  # noqa: PTH208
    torch = sys.modules.get("torch")
    if threads != 1 or (torch is not None and torch.cuda.is_initialized()):
        raise OSError(f"{threads} threads or a CUDA context: forking would not be sound")


def _fork(own_namespace: int, program: Callable[[], None]) -> int:
    """Run a program in a child that is the first process of a new process namespace.

    Returns:
        A pidfd of the child.
    """
    # `unshare` says where children go, once; going back to the own namespace allows it again.
    if not kernel.enter(own_namespace, kernel.NEW_PROCESSES):
        return _fork_twice(program)
    kernel.unshare(kernel.NEW_PROCESSES)
    child = os.fork()
    if child == 0:
        program()
    return os.pidfd_open(child)


def _fork_twice(program: Callable[[], None]) -> int:
    """The same where the own namespace belongs to an outer user namespace, which forbids to go back:
    a process in between makes the new one, and stays as its parent."""
    ours, theirs = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    if os.fork() == 0:
        ours.close()
        kernel.die_with_parent()
        kernel.unshare(kernel.NEW_PROCESSES)
        child = os.fork()
        if child == 0:
            theirs.close()
            program()
        socket.send_fds(theirs, [b"child"], [os.pidfd_open(child)])
        theirs.close()
        os.closerange(3, 4096)
        os.waitpid(child, 0)
        os._exit(0)
    theirs.close()
    with ours:
        _, descriptors, _, _ = socket.recv_fds(ours, 16, 1)
    return descriptors[0]


def _child(control: socket.socket, request: dict[str, Any], descriptors: list[int]) -> None:
    """What a child does; it never returns."""
    try:
        control.close()
        _become(request, *descriptors)
    except BaseException as error:
        os.write(2, f"sandbox: {type(error).__name__}: {error}\n".encode())
    os._exit(1)


def _become(request: dict[str, Any], channel: int, output: int) -> None:
    """In the child: separate, confine, and run the program."""
    policy = request["policy"]
    os.setsid()
    _separate(policy)
    null = os.open("/dev/null", os.O_RDONLY)
    os.dup2(null, 0)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.dup2(channel, CHANNEL)
    os.closerange(CHANNEL + 1, 4096)
    confine(policy)
    # After a change of uid /proc/self belongs to root; CUDA and Python want to read their own.
    kernel.prctl(kernel.SET_DUMPABLE, 1)
    module, function = request["program"]
    getattr(importlib.import_module(module), function)()
    sys.stdout.flush()
    os._exit(0)


def _separate(policy: dict[str, Any]) -> None:
    """Own namespaces and private writable file systems."""
    kernel.unshare(kernel.NEW_MOUNTS | kernel.NEW_NETWORK | kernel.NEW_IPC | kernel.NEW_HOST_NAME)
    kernel.may_unshare(kernel.NEW_CGROUP)  # absent on some kernels, and nothing depends on it
    kernel.mount(None, "/", None, kernel.RECURSIVE | kernel.PRIVATE)
    # What is bound below /tmp (a virtual environment, say) must not vanish under the private one.
    kept = {path: os.open(path, os.O_PATH | os.O_DIRECTORY) for path in policy["kept"]}
    size = f"size={policy['tmp_bytes']}"
    owner = "" if policy["uid"] is None else f",uid={policy['uid']}"
    kernel.mount("tmpfs", "/tmp", "tmpfs", PLAIN, f"{size},mode=1777")  # noqa: S108
    for path, descriptor in kept.items():
        os.makedirs(path, mode=0o755)  # noqa: PTH103
        kernel.mount(f"/proc/self/fd/{descriptor}", path, None, kernel.BIND | kernel.RECURSIVE)
        os.close(descriptor)
    kernel.mount("tmpfs", "/dev/shm", "tmpfs", PLAIN, f"{size},mode=1777")  # noqa: S108
    kernel.mount("tmpfs", policy["inputs"], "tmpfs", PLAIN, f"{size},mode=0755{owner}")
    kernel.mount("proc", "/proc", "proc", PLAIN | kernel.NO_EXEC)


def _reap() -> None:
    with contextlib.suppress(ChildProcessError):
        while os.waitpid(-1, os.WNOHANG)[0]:
            pass
