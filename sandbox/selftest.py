"""The sandbox tries to escape from itself before anything else may run in it."""

from __future__ import annotations

import json
import os
import socket
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.errors import SandboxFailure
from sandbox.runtime import LIBRARY, python

if TYPE_CHECKING:
    from sandbox.box import Sandbox
    from sandbox.warm import Zygote


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


def self_test(sandbox: Sandbox) -> SelfTest:
    """Run the probe in a sandboxed command and judge what it reports."""
    from sandbox.box import Command, Limits

    code = (
        f"import json, sys; sys.path.insert(0, {LIBRARY!r})\n"
        f"from sandbox.probe import look; print(json.dumps(look({_hidden(sandbox.work)!r})))"
    )
    done = sandbox.run(
        Command(
            argv=(python(), "-I", "-B", "-c", code),
            limits=Limits(wall_s=30.0, cpu_s=20),
        )
    )
    seen = _parse(done.stdout, done.stderr)
    checks = [
        *_judge(seen, (), ()),
        Check("inputs are read-only", "/sandbox/in" not in seen["writable"], ""),
        Check("outputs can be written", seen["output"] and "probe" in done.outputs, ""),
    ]
    return SelfTest(sandbox.level, tuple(checks))


def self_test_child(zygote: Zygote) -> SelfTest:
    """The same in a child of the fork server, which is confined on another way."""
    from sandbox.box import Limits
    from sandbox.warm import ENVIRONMENT, WITHOUT_GPU, Program

    ours, inner = socket.socketpair(socket.AF_UNIX, socket.SOCK_SEQPACKET)
    with ours:
        with inner:
            child = zygote.fork(Program("sandbox.probe", "main"), Limits(cpu_s=20), inner)
        ours.settimeout(30.0)
        try:
            ours.send(json.dumps(_hidden(zygote.work)).encode())
            answer = ours.recv(1 << 16)
        except OSError:
            answer = b""
        finally:
            child.kill()
            words = child.output()
            child.release()
    seen = _parse(answer, words)
    return SelfTest(
        zygote.level, tuple(_judge(seen, (3,), (*ENVIRONMENT, *WITHOUT_GPU, "LD_LIBRARY_PATH")))
    )


def require(result: SelfTest) -> None:
    """Go on only if nothing was possible that must not be.

    Raises:
        SandboxFailure: `sandbox_unavailable`, naming what failed.
    """
    failed = [check for check in result.checks if not check.ok]
    if failed:
        raise SandboxFailure(
            "sandbox_unavailable",
            "The sandbox's self-test failed: "
            + "; ".join(f"{check.name} ({check.detail})" for check in failed),
            "Nothing runs without isolation. See `assay doctor`.",
        )


def _hidden(work: Path) -> list[str]:
    return [str(Path("~/.ssh").expanduser()), str(work.resolve()), "/etc/shadow"]


def _parse(answer: bytes, words: bytes) -> dict[str, Any]:
    try:
        seen: dict[str, Any] = json.loads(answer)
    except ValueError:
        raise SandboxFailure(
            "sandbox_unavailable",
            "The sandbox's self-test did not run: "
            + words.decode("utf-8", "replace")[-500:].strip(),
            "Run `assay doctor`.",
        ) from None
    return seen


def _judge(
    seen: dict[str, Any], descriptors: Sequence[int], environment: Sequence[str]
) -> list[Check]:
    """Judge a report, of a process that was given further descriptors and variables."""
    outside = os.geteuid()
    given = {"HOME", "LANG", "LOGNAME", "PATH", "PWD", "TMPDIR", "USER", "LC_CTYPE", *environment}
    first_free = 3 + len(descriptors)  # it lists a directory with that one
    locked = [path for path in seen["writable"] if path != "/sandbox/in"]
    expectations = (
        ("own uid", seen["uid"] != outside or outside != 0, f"uid {seen['uid']}"),
        ("not root", seen["uid"] != 0, f"uid {seen['uid']}"),
        ("own processes only", len(seen["pids"]) <= 3, f"pids {seen['pids'][:5]}"),
        (
            "no descriptors",
            set(seen["descriptors"]) == set(range(first_free + 1)),
            f"{seen['descriptors']}",
        ),
        ("no capabilities", int(seen["capabilities"], 16) == 0, seen["capabilities"]),
        ("no new privileges", seen["no_new_privs"] == "1", seen["no_new_privs"]),
        ("system-call filter", seen["seccomp"] == "2", f"mode {seen['seccomp']}"),
        ("first to die without memory", seen["first_to_die"] == "1000", seen["first_to_die"]),
        ("no /etc/shadow", not seen["shadow"], "readable" if seen["shadow"] else "absent"),
        ("state is invisible", not seen["hidden"], f"{seen['hidden']}"),
        ("the file system is read-only", not locked, f"{locked}"),
        ("no network", not seen["inet"] and not seen["inet_socket"], ""),
        ("no namespaces", not seen["new_user_namespace"], ""),
        ("no mounts", not seen["mount"], ""),
        ("no ptrace", not seen["ptrace"], ""),
        ("no way back to root", not seen["set_uid"], ""),
        ("clean environment", set(seen["environment"]) <= given, f"{seen['environment']}"),
    )
    return [Check(name, bool(ok), detail) for name, ok, detail in expectations]
