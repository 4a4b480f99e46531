"""What a sandboxed process tries in order to get out: run inside, before any candidate.

Standard library only. It reports what it could do; the outside judges that.
"""

from __future__ import annotations

import ctypes
import functools
import json
import os
import socket
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

CHANNEL = 3


def main() -> None:
    """In a child of the fork server: what to look for comes and goes by the channel."""
    channel = socket.socket(fileno=CHANNEL)
    channel.send(json.dumps(look(json.loads(channel.recv(1 << 16)))).encode())


def look(hidden: Sequence[str]) -> dict[str, Any]:
    """Try everything that must not be possible, and a few things that must be.

    Args:
        hidden: paths that must not exist in here.
    """
    libc = ctypes.CDLL(None, use_errno=True)
    return {
        "uid": os.getuid(),
        "pids": sorted(int(p.name) for p in Path("/proc").iterdir() if p.name.isdigit()),
        "descriptors": sorted(int(d.name) for d in Path("/proc/self/fd").iterdir()),
        "environment": sorted(os.environ),
        "capabilities": _status("CapEff"),
        "bounding": _status("CapBnd"),
        "no_new_privs": _status("NoNewPrivs"),
        "seccomp": _status("Seccomp"),
        "first_to_die": Path("/proc/self/oom_score_adj").read_text("ascii").strip(),
        "shadow": _can(lambda: _touch("/etc/shadow", os.O_RDONLY)),
        "hidden": [p for p in hidden if Path(p).exists()],
        "writable": [
            path
            for path in ("/usr", "/", "/etc", "/sandbox", "/sandbox/lib", "/sandbox/in")
            if _can(functools.partial(_touch, f"{path}/.probe", os.O_CREAT | os.O_WRONLY))
        ],
        "output": _can(lambda: _touch("/sandbox/out/probe", os.O_CREAT | os.O_WRONLY)),
        "inet": _can(_connect),
        "inet_socket": _can(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()),
        "new_user_namespace": libc.unshare(0x10000000) == 0,
        "mount": libc.mount(b"tmpfs", b"/tmp", b"tmpfs", 0, None) == 0,
        "ptrace": libc.ptrace(16, 1, 0, 0) == 0,
        "set_uid": os.getuid() != 0 and _can(lambda: os.setuid(0)),
    }


def _can(action: Callable[[], None]) -> bool:
    try:
        action()
    except OSError:
        return False
    return True


def _touch(path: str, flags: int) -> None:
    os.close(os.open(path, flags, 0o600))


def _connect() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as attempt:
        attempt.settimeout(1)
        attempt.connect(("127.0.0.1", 9))


def _status(name: str) -> str:
    lines = Path("/proc/self/status").read_text("ascii").splitlines()
    return next(line.split()[1] for line in lines if line.startswith(f"{name}:"))
