"""The sandbox tries to escape from itself before anything else may run in it."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from sandbox.errors import SandboxFailure
from sandbox.runtime import python

if TYPE_CHECKING:
    from sandbox.box import Sandbox


@dataclass(frozen=True)
class Check:
    """One thing that must not be possible."""

    name: str
    ok: bool
    detail: str


@dataclass(frozen=True)
class SelfTest:
    """What the inside could and could not do."""

    level: str
    checks: tuple[Check, ...]

    @property
    def ok(self) -> bool:
        return all(check.ok for check in self.checks)


PROBE = r"""
import ctypes, json, os, socket
libc = ctypes.CDLL(None, use_errno=True)
def attempt(action):
    try:
        action()
        return True
    except OSError:
        return False
def status(name):
    with open("/proc/self/status") as file:
        return next(line.split()[1] for line in file if line.startswith(name + ":"))
def reach(family, address):
    with socket.socket(family, socket.SOCK_STREAM) as s:
        s.settimeout(1)
        s.connect(address)
print(json.dumps({
    "uid": os.getuid(),
    "pids": sorted(int(p) for p in os.listdir("/proc") if p.isdigit()),
    "descriptors": sorted(int(d) for d in os.listdir("/proc/self/fd")),
    "environment": sorted(os.environ),
    "capabilities": status("CapEff"),
    "bounding": status("CapBnd"),
    "no_new_privs": status("NoNewPrivs"),
    "seccomp": status("Seccomp"),
    "shadow": attempt(lambda: open("/etc/shadow").close()),
    "hidden": [p for p in HIDDEN if os.path.exists(p)],
    "usr_writable": attempt(lambda: open("/usr/.probe", "w").close()),
    "root_writable": attempt(lambda: open("/.probe", "w").close()),
    "inputs_writable": attempt(lambda: open("/sandbox/in/.probe", "w").close()),
    "outputs_writable": attempt(lambda: open("/sandbox/out/probe", "w").close()),
    "inet": attempt(lambda: reach(socket.AF_INET, ("127.0.0.1", 9))),
    "inet_socket": attempt(lambda: socket.socket(socket.AF_INET, socket.SOCK_DGRAM).close()),
    "interfaces": [name for _, name in socket.if_nameindex()] if hasattr(socket, "if_nameindex")
        and attempt(socket.if_nameindex) else [],
    "new_user_namespace": libc.unshare(0x10000000) == 0,
    "ptrace": libc.ptrace(16, 1, 0, 0) == 0,
    "set_uid": attempt(lambda: os.setuid(0)),
}))
"""


def self_test(sandbox: Sandbox) -> SelfTest:
    """Run the probe inside and judge what it reports."""
    from sandbox.box import Command, Limits

    hidden = [os.path.expanduser("~/.ssh"), str(sandbox.work.resolve()), "/etc/shadow"]  # noqa: PTH111
    done = sandbox.run(
        Command(
            argv=(python(), "-I", "-B", "-c", f"HIDDEN = {hidden!r}\n{PROBE}"),
            limits=Limits(wall_s=30.0, cpu_s=20),
        )
    )
    try:
        seen = json.loads(done.stdout)
    except ValueError:
        raise SandboxFailure(
            "sandbox_unavailable",
            "The sandbox's self-test did not run: "
            + done.stderr.decode("utf-8", "replace")[-500:].strip(),
            "Run `assay doctor`.",
        ) from None
    return SelfTest(sandbox.level, tuple(_judge(seen, done.outputs)))


def _judge(seen: dict[str, Any], outputs: dict[str, bytes]) -> list[Check]:
    outside = os.geteuid()
    expectations = (
        ("own uid", seen["uid"] != outside or outside != 0, f"uid {seen['uid']}"),
        ("not root", seen["uid"] != 0, f"uid {seen['uid']}"),
        ("own processes only", len(seen["pids"]) <= 3, f"pids {seen['pids'][:5]}"),
        ("no descriptors", seen["descriptors"] in ([0, 1, 2, 3],), f"{seen['descriptors']}"),
        ("no capabilities", int(seen["capabilities"], 16) == 0, seen["capabilities"]),
        ("no new privileges", seen["no_new_privs"] == "1", seen["no_new_privs"]),
        ("system-call filter", seen["seccomp"] == "2", f"mode {seen['seccomp']}"),
        ("no /etc/shadow", not seen["shadow"], "readable" if seen["shadow"] else "absent"),
        ("state is invisible", not seen["hidden"], f"{seen['hidden']}"),
        ("/usr is read-only", not seen["usr_writable"], ""),
        ("/ is read-only", not seen["root_writable"], ""),
        ("inputs are read-only", not seen["inputs_writable"], ""),
        ("outputs can be written", seen["outputs_writable"] and "probe" in outputs, ""),
        ("no network", not seen["inet"] and not seen["inet_socket"], f"{seen['interfaces']}"),
        ("no namespaces", not seen["new_user_namespace"], ""),
        ("no ptrace", not seen["ptrace"], ""),
        ("no way back to root", not seen["set_uid"], ""),
        (
            "clean environment",
            set(seen["environment"])
            <= {"HOME", "LANG", "LOGNAME", "PATH", "PWD", "TMPDIR", "USER", "LC_CTYPE"},
            f"{seen['environment']}",
        ),
    )
    return [Check(name, bool(ok), detail) for name, ok, detail in expectations]
