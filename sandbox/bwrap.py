"""The sandbox's command line: namespaces, an allow-list of read-only binds, nothing inherited.

The options are bubblewrap's; `sandbox.native` understands those that stand here.
"""

from __future__ import annotations

import json
import os
import shutil
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

from sandbox.processors import PROCESSORS, for_builds
from sandbox.runtime import LIBRARY, SYSTEM_FILES, SYSTEM_PATHS, Mount, bare_python

INPUTS = "/sandbox/in"
OUTPUTS = "/sandbox/out"
LAUNCHER = f"{LIBRARY}/sandbox/launch.py"

WRITABLE = ("/tmp", "/dev", "/proc", OUTPUTS)  # noqa: S108 - inside, private and empty
SHM_BYTES = 512 << 20


def command_line(
    *,
    launcher: Sequence[str],
    mounts: Sequence[Mount],
    inputs: Path,
    outputs: Path,
    devices: Sequence[str],
    env: Mapping[str, str],
    uid: int | None,
    limits: Mapping[str, int],
    tmp_bytes: int,
    info: int,
    argv: Sequence[str],
) -> list[str]:
    """The argv that starts `argv` inside, confined by the launcher.

    As root (`uid` given) bubblewrap does the binds with root's rights, keeps only the capabilities
    that the launcher needs to drop to `uid`, and makes no user namespace. Otherwise everything
    happens in a user namespace in which no further one can be made.
    """
    policy: dict[str, Any] = {
        "library": LIBRARY,
        "uid": uid,
        "limits": dict(limits),
        "readable": ["/"],
        "writable": list(WRITABLE),
        "directory": "/tmp",  # noqa: S108
        "cpus": for_builds(PROCESSORS),
        "measured": False,
    }
    every = [*mounts, Mount(inputs, INPUTS), Mount(outputs, OUTPUTS, writable=True)]
    return [
        *_first_to_die(),
        *launcher,
        *_namespaces(),
        *_identity(uid),
        "--info-fd",
        str(info),
        *_environment(env),
        *_file_system(every, (), tmp_bytes),
        *_devices(devices),
        "--remount-ro",
        "/",
        "--chdir",
        "/",
        "--",
        bare_python(),
        "-I",
        "-S",
        "-B",
        LAUNCHER,
        json.dumps(policy),
        *argv,
    ]


def zygote_command_line(
    *,
    launcher: Sequence[str],
    mounts: Sequence[Mount],
    env: Mapping[str, str],
    as_root: bool,
    devices: Sequence[str],
    argv: Sequence[str],
) -> list[str]:
    """The argv that starts the fork server: it may make namespaces, and give that up again.

    As root it keeps the capabilities to do so; otherwise it has them in a user namespace only.
    `devices` are further device nodes that appear inside.
    """
    identity = [] if as_root else ["--unshare-user", "--uid", "65534", "--gid", "65534"]
    kept = ["CAP_SYS_ADMIN", "CAP_SETPCAP", *(["CAP_SETUID", "CAP_SETGID"] if as_root else [])]
    return [
        *_first_to_die(),
        *launcher,
        *_namespaces(),
        *identity,
        "--cap-drop",
        "ALL",
        *(word for name in kept for word in ("--cap-add", name)),
        *_environment(env),
        *_file_system(mounts, (INPUTS,), 1 << 20),
        *_devices(devices),
        "--remount-ro",
        "/",
        "--chdir",
        "/",
        "--",
        *argv,
    ]


def _first_to_die() -> list[str]:
    """When memory runs out, the kernel ends sandboxed processes before any other.

    Limits hold per process; many processes, or files in memory, can still take all of it. What a
    server with CAP_SYS_RESOURCE sets, the inside cannot take back.
    """
    program = shutil.which("choom", path="/usr/bin:/bin")
    return [program, "-n", "1000", "--"] if program else []


def _namespaces() -> list[str]:
    return [
        "--unshare-pid",
        "--unshare-net",
        "--unshare-ipc",
        "--unshare-uts",
        "--unshare-cgroup-try",
        "--hostname",
        "sandbox",
        "--die-with-parent",
        "--new-session",
    ]


def _identity(uid: int | None) -> list[str]:
    if uid is None:
        return ["--unshare-user", "--disable-userns", "--uid", "65534", "--gid", "65534"]
    kept = ("CAP_SETUID", "CAP_SETGID", "CAP_SETPCAP")
    return ["--cap-drop", "ALL", *(word for name in kept for word in ("--cap-add", name))]


def _environment(env: Mapping[str, str]) -> list[str]:
    base = {
        "PATH": "/usr/local/bin:/usr/bin:/bin",
        "HOME": "/tmp",  # noqa: S108
        "TMPDIR": "/tmp",  # noqa: S108
        "LANG": "C.UTF-8",
        "USER": "candidate",
        "LOGNAME": "candidate",
    }
    merged = {**base, **env}
    words = [word for name in sorted(merged) for word in ("--setenv", name, merged[name])]
    return ["--clearenv", *words]


def _file_system(mounts: Sequence[Mount], empty: Sequence[str], tmp_bytes: int) -> list[str]:
    """The mounts; `empty` names directories that are only made."""
    words: list[str] = []
    for path in SYSTEM_PATHS:
        if os.path.islink(path):  # noqa: PTH114
            words += ["--symlink", os.readlink(path), path]  # noqa: PTH115
        elif Path(path).is_dir():
            words += ["--ro-bind", path, path]
    words += ["--perms", "0755", "--dir", "/etc"]
    for path in SYSTEM_FILES:
        words += ["--ro-bind-try", path, path]
    words += ["--proc", "/proc", "--dev", "/dev"]
    words += ["--perms", "1777", "--size", str(SHM_BYTES), "--tmpfs", "/dev/shm"]  # noqa: S108
    words += ["--perms", "1777", "--size", str(tmp_bytes), "--tmpfs", "/tmp"]  # noqa: S108
    # Parents of nested binds would be made 0700, closed to the uid inside: make them ourselves.
    for directory in (*_parents([*(mount.target for mount in mounts), *empty]), *empty):
        words += ["--perms", "0755", "--dir", directory]
    for mount in mounts:
        words += ["--bind" if mount.writable else "--ro-bind", str(mount.source), mount.target]
    return words


def _devices(nodes: Sequence[str]) -> list[str]:
    return [word for node in nodes for word in ("--dev-bind", node, node)]


def _parents(targets: Iterable[str]) -> list[str]:
    """The directories above the targets that have to be made, outermost first."""
    made = {PurePosixPath(path) for path in ("/", "/tmp", "/dev", "/proc")}  # noqa: S108
    found: dict[str, None] = {}
    for target in targets:
        for parent in reversed(PurePosixPath(target).parents):
            bound = any(parent.is_relative_to(path) for path in SYSTEM_PATHS)
            if parent not in made and not bound:
                found[str(parent)] = None
    return list(found)
