"""The last trusted step inside a sandbox: give everything up, then become the command.

Started by bubblewrap as `python -I -S launch.py POLICY-JSON COMMAND…`. Standard library only. With
root it still has the capabilities to change its uid (root did the binds, which lets the runtime lie
under a home that others may not enter); after this file ran, the process has no capability, no
privilege to gain, one uid of its own, a file and system-call filter, limits, and no descriptor but
the ones it was given. Any step that fails ends the process before the command starts.
"""

from __future__ import annotations

import ctypes
import json
import os
import resource
import signal
import sys
from typing import Any

FAILED = 121
"""Exit status of a launcher that could not confine itself: a failure of the sandbox."""

_PR_SET_PDEATHSIG, _PR_CAPBSET_DROP, _PR_SET_NO_NEW_PRIVS = 1, 24, 38
_LIMITS = {
    "cpu_s": resource.RLIMIT_CPU,
    "file_bytes": resource.RLIMIT_FSIZE,
    "processes": resource.RLIMIT_NPROC,
    "address_bytes": resource.RLIMIT_AS,
    "data_bytes": resource.RLIMIT_DATA,
    "open_files": resource.RLIMIT_NOFILE,
}


def main(arguments: list[str]) -> None:
    """Confine this process as the policy says, then execute the command."""
    policy = json.loads(arguments[0])
    command = arguments[1:]
    sys.path.insert(0, policy["library"])
    confine(policy)
    os.closerange(3, 4096)
    os.execve(command[0], command, dict(os.environ))


def confine(policy: dict[str, Any]) -> None:
    """Give up every right of this process, for good and for all that it starts.

    Args:
        policy: `uid` (None: already unprivileged), `cpus`, `limits` by name, `readable` and
            `writable` paths, and the working `directory`.

    Raises:
        OSError: a step failed; the caller must end, not go on.
    """
    from sandbox import landlock, seccomp

    libc = ctypes.CDLL(None, use_errno=True)
    if policy["cpus"]:
        os.sched_setaffinity(0, policy["cpus"])
    for name, value in policy["limits"].items():
        resource.setrlimit(_LIMITS[name], (value, value))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    uid = policy.get("uid")
    if uid is not None:
        _drop_privileges(libc, uid)
    _clear_capabilities(libc)
    _prctl(libc, _PR_SET_NO_NEW_PRIVS, 1)
    # A change of uid clears the parent-death signal: set it (again) here.
    _prctl(libc, _PR_SET_PDEATHSIG, signal.SIGKILL)
    landlock.restrict(policy["readable"], policy["writable"])
    os.chdir(policy["directory"])
    seccomp.install()


def _drop_privileges(libc: ctypes.CDLL, uid: int) -> None:
    for capability in range(64):
        if libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0) != 0:
            break
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)  # from 0 to another: the kernel clears every capability
    if os.getresuid() != (uid, uid, uid) or os.getgroups():
        raise OSError("privileges were not dropped")


def _clear_capabilities(libc: ctypes.CDLL) -> None:
    """Empty the effective, permitted and inheritable sets, whatever was in them."""
    version_3 = 0x20080522
    header = (ctypes.c_uint32 * 2)(version_3, 0)
    if libc.capset(header, (ctypes.c_uint32 * 6)()) != 0:
        raise OSError(ctypes.get_errno(), "capset")


def _prctl(libc: ctypes.CDLL, option: int, value: int) -> None:
    if libc.prctl(option, value, 0, 0, 0) != 0:
        raise OSError(ctypes.get_errno(), f"prctl({option})")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BaseException as error:
        os.write(2, f"sandbox launcher: {type(error).__name__}: {error}\n".encode())
        os._exit(FAILED)
