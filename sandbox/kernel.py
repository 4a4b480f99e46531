"""The system calls that `os` lacks, for what runs before any package can be imported.

Standard library only. Source: the manual pages mount(2), mount_setattr(2), pivot_root(2), prctl(2).
"""

from __future__ import annotations

import ctypes
import os
import platform
import signal
import struct

NEW_MOUNTS, NEW_CGROUP, NEW_HOST_NAME = 0x00020000, 0x02000000, 0x04000000
NEW_IPC, NEW_PROCESSES, NEW_NETWORK = 0x08000000, 0x20000000, 0x40000000
READ_ONLY, NO_SUID, NO_DEVICES, NO_EXEC = 1, 2, 4, 8  # the same numbers in mount and mount_setattr
BIND, RECURSIVE, PRIVATE = 1 << 12, 1 << 14, 1 << 18
SET_DUMPABLE, CAPBSET_DROP, SET_NO_NEW_PRIVS = 4, 24, 38

_SET_PDEATHSIG = 1
_DETACH = 2
_HERE, _ALL_BELOW = -100, 0x8000
_MOUNT_SETATTR = 442
_PIVOT_ROOT = {"x86_64": 155, "aarch64": 41}
_CAPABILITY_VERSION_3 = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


def unshare(flags: int, what: str = "unshare") -> None:
    """Leave namespaces for new ones."""
    check(_libc.unshare(flags), what)


def may_unshare(flags: int) -> bool:
    """The same where nothing depends on it."""
    return int(_libc.unshare(flags)) == 0


def enter(namespace: int, flags: int) -> bool:
    """Go (back) into the namespace of a descriptor; whether that is allowed."""
    return int(_libc.setns(namespace, flags)) == 0


def prctl(option: int, value: int) -> None:
    """Change this process."""
    check(_libc.prctl(option, value, 0, 0, 0), f"prctl({option})")


def die_with_parent() -> None:
    """A change of uid clears this: call it again after one."""
    prctl(_SET_PDEATHSIG, signal.SIGKILL)


def drop_from_bounding_set(but: tuple[int, ...] = ()) -> None:
    """Give up every capability for good, for all that is executed later, too."""
    for number in range(64):
        if number not in but and _libc.prctl(CAPBSET_DROP, number, 0, 0, 0) != 0:
            return  # past the last one, or not root: then `set_capabilities` and the uid decide


def set_capabilities(kept: tuple[int, ...] = ()) -> None:
    """Make these the effective and permitted capabilities, and none inheritable."""
    bits = sum(1 << number for number in kept)
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION_3, 0)
    check(_libc.capset(header, (ctypes.c_uint32 * 6)(bits, bits, 0, 0, 0, 0)), "capset")


def mount(
    source: str | None, target: str, kind: str | None, flags: int, data: str | None = None
) -> None:
    """Mount a file system, or a directory or file again somewhere else."""
    words = [None if word is None else word.encode() for word in (source, target, kind, data)]
    result = _libc.mount(words[0], words[1], words[2], ctypes.c_ulong(flags), words[3])
    check(result, f"mount {target}")


def restrict_mount(target: str, attributes: int, all_below: bool) -> None:
    """Take rights from a mount, and from those below it."""
    change = struct.pack("=QQQQ", attributes, 0, 0, 0)
    how = _ALL_BELOW if all_below else 0
    result = _libc.syscall(_MOUNT_SETATTR, _HERE, target.encode(), how, change, len(change))
    check(result, f"mount_setattr {target}")


def unmount(target: str) -> None:
    """Take a mount away, in use or not."""
    check(_libc.umount2(target.encode(), _DETACH), f"umount {target}")


def pivot_root(new: str, old: str) -> None:
    """Make `new` the root directory; the old one is at `old` afterwards."""
    result = _libc.syscall(_PIVOT_ROOT[platform.machine()], new.encode(), old.encode())
    check(result, "pivot_root")


def set_host_name(name: str) -> None:
    """Of this namespace."""
    check(_libc.sethostname(name.encode(), len(name)), "sethostname")


def check(result: int, what: str) -> None:
    """Raise what the C library says.

    Raises:
        OSError: the call failed.
    """
    if result < 0:
        number = ctypes.get_errno()
        raise OSError(number, f"{what}: {os.strerror(number)}")
