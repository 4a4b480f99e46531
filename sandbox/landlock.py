"""Landlock: a second, independent limit on which files a process can reach.

Standard library only; runs inside the sandbox. The mount namespace already shows nothing else, so
this layer matters when that one is misconfigured. Source: the kernel's userspace-api/landlock page.
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct
from collections.abc import Sequence

_CREATE, _ADD, _RESTRICT = 444, 445, 446
_RULE_PATH_BENEATH = 1
_VERSION_FLAG = 1
_EXECUTE, _WRITE_FILE, _READ_FILE, _READ_DIR = 1, 2, 4, 8
_TRUNCATE, _IOCTL_DEV = 1 << 14, 1 << 15
_FILE_RIGHTS = _EXECUTE | _WRITE_FILE | _READ_FILE | _TRUNCATE | _IOCTL_DEV


def abi_version() -> int:
    """The kernel's Landlock version; 0 without support."""
    return max(0, int(_libc().syscall(_CREATE, None, 0, _VERSION_FLAG)))


def restrict(readable: Sequence[str], writable: Sequence[str]) -> int:
    """Confine this process for good; return the Landlock version used, 0 where there is none.

    Args:
        readable: paths below which files can be read and executed.
        writable: paths below which everything is allowed.

    Raises:
        OSError: Landlock exists but refused.
    """
    abi = abi_version()
    if abi < 1:
        return 0
    rights = (1 << (13 if abi < 2 else 14 if abi < 3 else 15 if abi < 5 else 16)) - 1
    tcp = 3 if abi >= 4 else 0
    scopes = 3 if abi >= 6 else 0
    size = 8 if abi < 4 else 16 if abi < 6 else 24
    libc = _libc()
    ruleset = libc.syscall(_CREATE, struct.pack("=QQQ", rights, tcp, scopes), size, 0)
    _check(ruleset, "landlock_create_ruleset")
    try:
        for paths, granted in (
            (readable, _EXECUTE | _READ_FILE | _READ_DIR),
            (writable, rights),
        ):
            for path in paths:
                _allow(libc, ruleset, path, granted & rights)
        _check(libc.syscall(_RESTRICT, ruleset, 0), "landlock_restrict_self")
    finally:
        os.close(ruleset)
    return abi


def _allow(libc: ctypes.CDLL, ruleset: int, path: str, rights: int) -> None:
    try:
        descriptor = os.open(path, os.O_PATH | os.O_CLOEXEC)
    except FileNotFoundError:
        return
    try:
        granted = rights if os.path.isdir(path) else rights & _FILE_RIGHTS  # noqa: PTH112
        rule = struct.pack("=Qi", granted, descriptor)
        _check(libc.syscall(_ADD, ruleset, _RULE_PATH_BENEATH, rule, 0), f"landlock rule {path}")
    finally:
        os.close(descriptor)


def _libc() -> ctypes.CDLL:
    return ctypes.CDLL(None, use_errno=True)


def _check(result: int, what: str) -> None:
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number or errno.EPERM, f"{what}: {os.strerror(number)}")
