"""The last trusted step inside a sandbox: give everything up, then become the command.

Started by bubblewrap as `python -I -S launch.py POLICY-JSON COMMAND…`. Standard library only. With
root it still has the capabilities to change its uid (root did the binds, which lets the runtime lie
under a home that others may not enter); after this file ran, the process has no capability, no
privilege to gain, one uid of its own, a file and system-call filter, limits, and no descriptor but
the ones it was given. Any step that fails ends the process before the command starts.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from typing import Any

FAILED = 121
"""Exit status of a launcher that could not confine itself: a failure of the sandbox."""

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
            `writable` paths, the working `directory`, and whether what runs is `measured`.

    Raises:
        OSError: a step failed; the caller must end, not go on.
    """
    from sandbox import kernel, landlock, seccomp

    if policy["cpus"]:
        os.sched_setaffinity(0, policy["cpus"])
    for name, value in policy["limits"].items():
        resource.setrlimit(_LIMITS[name], (value, value))
    # With 1, a core is not even handed to a program of the host's, as it may be with 0.
    _, most = resource.getrlimit(resource.RLIMIT_CORE)
    core = 0 if most == 0 else 1
    resource.setrlimit(resource.RLIMIT_CORE, (core, core))
    uid = policy.get("uid")
    if uid is not None:
        kernel.drop_from_bounding_set()
        _become(uid)
    kernel.set_capabilities()
    kernel.prctl(kernel.SET_NO_NEW_PRIVS, 1)
    kernel.die_with_parent()
    landlock.restrict(policy["readable"], policy["writable"])
    os.chdir(policy["directory"])
    seccomp.install(measured=policy["measured"])


def _become(uid: int) -> None:
    os.setgroups([])
    os.setresgid(uid, uid, uid)
    os.setresuid(uid, uid, uid)  # from 0 to another: the kernel clears every capability
    if os.getresuid() != (uid, uid, uid) or os.getgroups():
        raise OSError("privileges were not dropped")


if __name__ == "__main__":
    try:
        main(sys.argv[1:])
    except BaseException as error:
        os.write(2, f"sandbox launcher: {type(error).__name__}: {error}\n".encode())
        os._exit(FAILED)
