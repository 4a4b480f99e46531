"""What a command can and cannot do inside. Each test would pass an escape if there were one."""

from __future__ import annotations

import os
import re
import signal
import socket
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from sandbox.box import Command, Completed, Level, Limits, Sandbox, levels, open_sandbox
from sandbox.errors import CandidateFailure, SandboxFailure
from sandbox.launch import FAILED
from sandbox.process import MAX_STREAM_BYTES, TOLERATED_TIMES, Process, _threads, run_times
from sandbox.runtime import Mount, python
from sandbox.selftest import self_test

ROOT = os.geteuid() == 0
BROKEN = Level("broken", ("/bin/false",))


@pytest.fixture(scope="module", params=levels(), ids=lambda level: level.name)
def sandbox(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    """Each way to isolate: every test here is for all of them."""
    return open_sandbox(tmp_path_factory.mktemp("work"), offered=[request.param])


def run(sandbox: Sandbox, code: str, **limits: int | float) -> Completed:
    """Run Python inside."""
    return sandbox.run(
        Command(
            argv=(python(), "-I", "-B", "-c", code), limits=Limits(**{"wall_s": 20.0, **limits})
        )  # type: ignore[arg-type]
    )


def out(done: Completed) -> str:
    assert done.returncode == 0, done.stderr.decode()
    return done.stdout.decode().strip()


def test_the_self_test_passes_and_tests_something(sandbox: Sandbox) -> None:
    result = self_test(sandbox)
    assert result.ok, [check for check in result.checks if not check.ok]
    assert len(result.checks) >= 15


def test_without_a_sandbox_nothing_runs(tmp_path: Path) -> None:
    with pytest.raises(SandboxFailure, match="bubblewrap is not installed") as caught:
        open_sandbox(tmp_path, offered=())
    assert "apt-get install" in caught.value.hint
    with pytest.raises(SandboxFailure, match=r"broken: .*self-test did not run"):
        open_sandbox(tmp_path, offered=[BROKEN])


def test_a_level_that_does_not_work_gives_way_to_the_next(tmp_path: Path) -> None:
    best = levels()[-1]
    with open_sandbox(tmp_path, offered=[BROKEN, best]) as sandbox:
        assert sandbox.level == best.name
        assert out(run(sandbox, "print('inside')")) == "inside"


@pytest.mark.skipif(not ROOT, reason="only root can make namespaces itself")
def test_an_option_that_is_unknown_is_not_passed_over(tmp_path: Path) -> None:
    (native,) = (level for level in levels() if level.name == "native")
    done = subprocess.run(
        [*native.launcher, "--share-net", "--", "/bin/true"], capture_output=True, text=True
    )
    assert done.returncode == FAILED
    assert "unknown option --share-net" in done.stderr


def test_no_capability_is_left(sandbox: Sandbox) -> None:
    text = out(run(sandbox, "print(open('/proc/self/status').read())"))
    for name in ("CapInh", "CapPrm", "CapEff", "CapAmb", *(["CapBnd"] if ROOT else [])):
        assert f"{name}:\t0000000000000000" in text
    assert "NoNewPrivs:\t1" in text
    assert "Seccomp:\t2" in text


@pytest.mark.skipif(not ROOT, reason="uids differ only when started as root")
def test_the_uid_is_another_one_outside_too(sandbox: Sandbox) -> None:
    with sandbox.start(Command(argv=("/bin/sleep", "30"), limits=Limits(wall_s=30))) as process:
        deadline = time.monotonic() + 5
        uids: set[str] = set()
        while time.monotonic() < deadline and not uids:
            for entry in Path("/proc").iterdir():
                try:
                    command = (entry / "cmdline").read_bytes()
                    if command == b"/bin/sleep\x0030\x00":
                        status = (entry / "status").read_text()
                        uids.add(status.split("Uid:\t")[1].split("\t")[0])
                except (OSError, IndexError):
                    continue
        assert uids == {str(process.slot.uid)}
        assert "0" not in uids


@pytest.mark.skipif(not ROOT, reason="needs root-only files")
def test_root_only_files_cannot_be_read_even_where_they_are_visible(sandbox: Sandbox) -> None:
    secret = Path("/usr/share/.assay-test-secret")
    secret.write_text("secret")
    secret.chmod(0o600)
    try:
        done = run(sandbox, f"print(open({str(secret)!r}).read())")
    finally:
        secret.unlink()
    assert done.returncode != 0
    assert b"Permission" in done.stderr


def test_the_runtime_works_under_a_closed_home(sandbox: Sandbox) -> None:
    # The interpreter may lie below a directory that only root can enter; torch must import anyway.
    assert out(run(sandbox, "import torch; print(torch.ones(2).sum().item())")) == "2.0"


def test_an_environment_behind_a_link_works(tmp_path: Path) -> None:
    link = tmp_path / "environment"
    link.symlink_to(sys.prefix)
    code = (
        "from pathlib import Path\nfrom sandbox.box import Command, open_sandbox\n"
        "from sandbox.runtime import python\n"
        f"box = open_sandbox(Path({str(tmp_path / 'work')!r}))\n"
        "done = box.run(Command(argv=(python(), '-I', '-c', 'import torch; print(1)')))\n"
        "print(done.stdout, done.stderr)"
    )
    done = subprocess.run(
        [str(link / "bin" / "python"), "-c", code],
        capture_output=True,
        text=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    assert done.stdout.strip() == r"b'1\n' b''", done.stderr


def test_parents_of_nested_binds_can_be_entered(sandbox: Sandbox) -> None:
    code = "import os, sys; print(all(os.access(p, os.X_OK) for p in ('/etc', '/sandbox', '/')))"
    assert out(run(sandbox, code)) == "True"


def test_a_runtime_below_tmp_is_reachable(sandbox: Sandbox, tmp_path: Path) -> None:
    # A checkout may lie in /tmp, which is also the name of the private directory inside.
    tool = tmp_path / "deep" / "bin" / "tool"
    tool.parent.mkdir(parents=True)
    tool.write_text("#!/bin/sh\necho reached\n")
    tool.chmod(0o755)
    mount = Mount(tool.parent, str(tool.parent))
    done = sandbox.run(Command(argv=(str(tool),), mounts=(mount,)))
    assert out(done) == "reached"


def test_killing_the_server_kills_the_sandbox(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\n"
        "from sandbox.box import Command, open_sandbox\n"
        f"box = open_sandbox(Path({str(tmp_path)!r}))\n"
        "process = box.start(Command(argv=('/bin/sleep', '987')))\n"
        "print('up', flush=True)\ntime.sleep(60)\n"
    )
    parent = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE)
    assert parent.stdout is not None
    assert parent.stdout.readline() == b"up\n"
    time.sleep(0.3)
    assert sleepers() == 1
    parent.kill()
    parent.wait()
    deadline = time.monotonic() + 5
    while sleepers() and time.monotonic() < deadline:
        time.sleep(0.05)
    assert sleepers() == 0


def sleepers() -> int:
    count = 0
    for entry in Path("/proc").iterdir():
        try:
            count += (entry / "cmdline").read_bytes() == b"/bin/sleep\x00987\x00"
        except OSError:
            continue
    return count


def test_a_fork_bomb_hits_its_limit_and_dies(sandbox: Sandbox) -> None:
    code = (
        "import os, time\nn = 0\n"
        "try:\n"
        "    while True:\n"
        "        if os.fork() == 0:\n            time.sleep(60); os._exit(0)\n"
        "        n += 1\n"
        "except OSError:\n    print(n, flush=True)\n    os._exit(0)\n"
    )
    started = time.monotonic()
    done = run(sandbox, code, processes=40, wall_s=15)
    assert int(done.stdout or b"0") < 60
    assert time.monotonic() - started < 15


def test_memory_time_and_files_are_limited(sandbox: Sandbox) -> None:
    hog = run(sandbox, "x = bytearray(2 << 30)", data_bytes=512 << 20)
    assert hog.returncode != 0
    assert b"MemoryError" in hog.stderr
    started = time.monotonic()
    loop = run(sandbox, "while True: pass", wall_s=1.0)
    assert loop.timed_out
    assert time.monotonic() - started < 5
    spin = run(sandbox, "while True: pass", cpu_s=1, wall_s=15)
    assert spin.returncode != 0
    assert not spin.timed_out
    disk = run(sandbox, "open('/tmp/x', 'wb').write(bytes(64 << 20))", tmp_bytes=16 << 20)
    assert b"No space left" in disk.stderr
    big = run(sandbox, "open('/sandbox/out/x', 'wb').write(bytes(8 << 20))", file_bytes=1 << 20)
    assert big.returncode != 0


HOGS = """
import os, time
kept = bytearray(os.urandom(1 << 20) * 100)
for _ in range(6):
    if os.fork() == 0:
        %s
        time.sleep(30)
time.sleep(1.5)
print("done")
"""


def test_processes_share_one_bound_of_memory(sandbox: Sandbox) -> None:
    started = time.monotonic()
    with pytest.raises(CandidateFailure, match=r"more than 0\.391 GiB") as caught:
        run(sandbox, HOGS % "own = bytearray(os.urandom(1 << 20) * 100)", memory_bytes=400 << 20)
    assert caught.value.code == "out_of_memory"
    assert time.monotonic() - started < 5


def test_memory_that_processes_share_counts_once(sandbox: Sandbox) -> None:
    assert out(run(sandbox, HOGS % "pass", memory_bytes=400 << 20)) == "done"


def test_it_dies_before_the_server_does_when_memory_runs_out(sandbox: Sandbox) -> None:
    code = (
        "import contextlib, pathlib\n"
        "score = pathlib.Path('/proc/self/oom_score_adj')\n"
        "for value in ('-500', '0'):\n"
        "    with contextlib.suppress(OSError):\n"
        "        score.write_text(value)\n"
        "print(score.read_text())"
    )
    rights = int(re.search(r"CapEff:\s(\w+)", Path("/proc/self/status").read_text("ascii"))[1], 16)
    bound = rights >> 24 & 1  # CAP_SYS_RESOURCE: whoever has it can keep others from lowering it
    assert out(run(sandbox, code)) == ("1000" if bound else "0")


def test_children_die_with_the_time_limit(sandbox: Sandbox) -> None:
    code = (
        "import os, time\n"
        "for _ in range(5):\n"
        "    if os.fork() == 0:\n        os.setsid(); time.sleep(600)\n"
        "time.sleep(600)\n"
    )
    assert run(sandbox, code, wall_s=1.0).timed_out
    again = run(sandbox, "import os; print([p for p in os.listdir('/proc') if p.isdigit()])")
    assert len(eval(out(again))) <= 3


def test_output_streams_are_capped(sandbox: Sandbox) -> None:
    done = run(sandbox, "import os\nfor _ in range(64): os.write(1, b'x' * (1 << 20))")
    assert len(done.stdout) <= MAX_STREAM_BYTES + 65536


def test_nothing_of_the_server_leaks_in(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("ASSAY_TOKEN", "assay_secret")
    secret = tmp_path / "secret"
    secret.write_text("state")
    with secret.open() as held:
        os.set_inheritable(held.fileno(), True)
        code = (
            "import os\n"
            "print(os.environ)\n"
            "print(open('/proc/self/cmdline').read(), open('/proc/1/cmdline').read())\n"
            "print([os.readlink(f'/proc/self/fd/{d}') for d in ('0', '1', '2')])\n"
            f"print(os.path.exists({str(secret)!r}), sorted(os.listdir('/')))\n"
        )
        text = out(run(sandbox, code))
    assert "assay_secret" not in text
    assert "False" in text
    assert "home" not in text.splitlines()[-1]


def test_no_network_of_any_kind(sandbox: Sandbox) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        code = (
            "import socket\n"
            "for family in (socket.AF_INET, socket.AF_INET6, socket.AF_NETLINK, socket.AF_PACKET):\n"
            "    for kind in (socket.SOCK_STREAM, socket.SOCK_DGRAM, socket.SOCK_RAW):\n"
            "        try:\n            socket.socket(family, kind); print('made', family, kind)\n"
            "        except OSError: pass\n"
            "print('done')"
        )
        assert out(run(sandbox, code)) == "done"


@pytest.mark.parametrize(
    "attempt",
    [
        "libc.unshare(0x10000000)",
        "libc.ptrace(16, 1, 0, 0)",
        "libc.mount(b'none', b'/tmp', b'tmpfs', 0, None)",
        "libc.syscall(101, 16, 1, 0, 0)",
        "libc.syscall(321, 0, 0, 0)",
        "libc.syscall(425, 8, 0)",
        "libc.syscall(438, 0, 0, 0)",
        "libc.syscall(272 | 0x40000000, 0x10000000)",
        "libc.syscall(56, 0x10000000 | 17, 0, 0, 0, 0)",
        "libc.setuid(0)",
        "libc.chroot(b'/tmp')",
        "libc.timer_create(1, None, ctypes.byref(ctypes.c_void_p()))",
        "libc.timerfd_create(1, 0)",
    ],
)
def test_dangerous_system_calls_fail(sandbox: Sandbox, attempt: str) -> None:
    code = f"import ctypes; libc = ctypes.CDLL(None, use_errno=True); print({attempt})"
    assert out(run(sandbox, code)) == "-1"


def test_outputs_are_taken_without_following_anything(sandbox: Sandbox) -> None:
    code = (
        "import os\nos.chdir('/sandbox/out')\n"
        "open('good', 'w').write('good')\n"
        "os.symlink('/etc/passwd', 'link')\n"
        "os.symlink('/proc/self/environ', 'environ')\n"
        "os.mkfifo('pipe')\n"
        "os.link('good', 'hard') if False else None\n"
        "os.mkdir('dir'); open('dir/inner', 'w').write('inner')\n"
        "os.symlink('/', 'dir/root')\n"
    )
    assert run(sandbox, code).outputs == {"good": b"good", "dir/inner": b"inner"}
    with pytest.raises(CandidateFailure):
        run(sandbox, "for i in range(200): open(f'/sandbox/out/{i}', 'w').write('x')")


def test_inputs_are_read_only_and_private(sandbox: Sandbox) -> None:
    done = sandbox.run(
        Command(
            argv=(python(), "-I", "-c", "open('/sandbox/in/a.txt', 'w')"),
            files={"a.txt": b"hello"},
        )
    )
    assert done.returncode != 0
    with pytest.raises(SandboxFailure):
        sandbox.run(Command(argv=("/bin/true",), files={"../x": b""}))


@pytest.mark.skipif(not ROOT, reason="one uid a slot needs root")
def test_sandboxes_side_by_side_have_uids_of_their_own(sandbox: Sandbox) -> None:
    code = "import os, time; time.sleep(0.5); print(os.getuid())"
    with ThreadPoolExecutor(4) as pool:
        uids = list(pool.map(lambda _: out(run(sandbox, code)), range(4)))
    assert len(set(uids)) == 4


def test_slots_are_cleaned_between_uses(sandbox: Sandbox) -> None:
    run(sandbox, "open('/sandbox/out/left', 'w').write('x'); open('/tmp/left', 'w')")
    text = out(run(sandbox, "import os; print(os.listdir('/sandbox/out'), os.listdir('/tmp'))"))
    assert text.startswith("[] ")
    assert "left" not in text


def test_pausing_stops_everything_and_resuming_goes_on(sandbox: Sandbox) -> None:
    code = (
        "import os, time\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n        os.setsid(); break\n"
        "path = f'/sandbox/out/{os.getpid()}'\n"
        "while True:\n    open(path, 'a').write('x'); time.sleep(0.005)\n"
    )

    def written(process: Process) -> list[int]:
        return sorted(p.stat().st_size for p in process.slot.outputs.iterdir())

    with sandbox.start(Command(argv=(python(), "-I", "-B", "-c", code))) as process:
        deadline = time.monotonic() + 10
        while len(written(process)) < 4 and time.monotonic() < deadline:
            time.sleep(0.05)
        process.namespace.pause()
        before = written(process)
        assert len(before) == 4
        time.sleep(0.3)
        assert written(process) == before
        process.namespace.resume()
        time.sleep(0.3)
        assert all(now > then for now, then in zip(written(process), before, strict=True))


def test_pause_returns_when_nothing_runs_any_more(sandbox: Sandbox) -> None:
    """A stop signal is only asked for: a busy thread may run on for a while after it."""
    code = (
        "import threading\n"
        "def spin():\n"
        "    while True: pass\n"
        "for _ in range(3): threading.Thread(target=spin).start()\n"
        "open('/sandbox/out/ready', 'w').close()\n"
    )
    with sandbox.start(Command(argv=(python(), "-I", "-B", "-c", code))) as process:
        deadline = time.monotonic() + 10
        while not (process.slot.outputs / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        for _ in range(100):
            process.namespace.pause()
            states = {state for pid in process.namespace.inside() for state in _threads(pid)}
            assert states == {"T"}
            process.namespace.resume()  # it says if anything ran meanwhile
            time.sleep(0.0005)


@pytest.mark.parametrize("hidden", [False, True])
@pytest.mark.parametrize("work", ["pass", "__import__('time').sleep(60)"])
def test_what_ran_while_it_was_stopped_is_found(sandbox: Sandbox, hidden: bool, work: str) -> None:
    """A process can be continued by another just as both are stopped; and stop itself again, after a few
    microseconds, in which it may have started another one."""
    code = f"open('/sandbox/out/ready', 'w').close()\nwhile True: {work}\n"
    with sandbox.start(Command(argv=(python(), "-I", "-B", "-c", code))) as process:
        deadline = time.monotonic() + 10
        while not (process.slot.outputs / "ready").exists() and time.monotonic() < deadline:
            time.sleep(0.02)
        for times in range(1, TOLERATED_TIMES + 2):
            process.namespace.pause()
            used = run_times(process.namespace.inside())
            busy = max(used, key=lambda task: used[task].used_ns)
            os.kill(busy, signal.SIGCONT)
            time.sleep(0.05)
            if hidden:
                os.kill(busy, signal.SIGSTOP)
                time.sleep(0.05)
            if times <= TOLERATED_TIMES:
                process.namespace.resume()
        with pytest.raises(CandidateFailure) as caught:
            process.namespace.resume()
        assert caught.value.code == "ran_while_stopped"
