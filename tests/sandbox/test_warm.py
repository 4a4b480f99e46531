"""Children of the fork server: warm, confined, alone, used once."""

from __future__ import annotations

import os
import shutil
import signal
import tempfile
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from sandbox.box import levels, open_sandbox
from sandbox.errors import CandidateFailure, SandboxFailure
from sandbox.judge.arm import HOST_LIMITS, Arm
from sandbox.process import _threads
from sandbox.runtime import Mount, runtime_mounts
from sandbox.selftest import self_test_child
from sandbox.warm import Zygote
from tests.judging import solution


@pytest.fixture(scope="module", params=levels(), ids=lambda level: level.name)
def zygote(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Zygote]:
    """In each way to isolate."""
    server = Zygote(open_sandbox(tmp_path_factory.mktemp("warm"), offered=[request.param]))
    yield server
    server.close()


@pytest.fixture
def arms(zygote: Zygote) -> Iterator[list[Arm]]:
    pair = [Arm(zygote), Arm(zygote)]
    yield pair
    for arm in pair:
        arm.close()


def says(arm: Arm, code: str) -> str:
    """What a solution's code raises when it is imported."""
    with pytest.raises(CandidateFailure) as caught:
        arm.load(solution(f"{code}\nraise ValueError(said)\n"), None, 20.0)
    return caught.value.message


def test_a_child_passes_the_self_test(zygote: Zygote) -> None:
    result = self_test_child(zygote)
    assert result.ok, [check for check in result.checks if not check.ok]
    assert len(result.checks) >= 15


def test_a_child_is_ready_in_a_fraction_of_an_import(zygote: Zygote) -> None:
    Arm(zygote).close()  # the fork server itself is started now
    times = []
    for _ in range(5):
        started = time.perf_counter()
        arm = Arm(zygote)
        arm.wait_ready()
        times.append(time.perf_counter() - started)
        arm.close()
    assert sorted(times)[2] < 0.5


def test_siblings_share_no_files(arms: list[Arm]) -> None:
    for directory in ("/tmp", "/dev/shm", "/sandbox/in"):
        left = f"import os\nopen('{directory}/left', 'w').close()\nsaid = 'wrote'"
        assert "wrote" in says(arms[0], left)
        found = f"import os\nsaid = str(os.path.exists('{directory}/left'))"
        assert "False" in says(arms[1], found)


def test_siblings_share_no_sockets_memory_or_processes(arms: list[Arm]) -> None:
    listen = (
        "import socket\n"
        "keep = socket.socket(socket.AF_UNIX)\n"
        "keep.bind('\\0assay-sibling'); keep.listen()\n"
        "import builtins; builtins.keep = keep\nsaid = 'listening'"
    )
    assert "listening" in says(arms[0], listen)
    call = (
        "import socket\ntry:\n"
        "    socket.socket(socket.AF_UNIX).connect('\\0assay-sibling'); said = 'reached'\n"
        "except OSError as error: said = type(error).__name__"
    )
    assert "ConnectionRefused" in says(arms[1], call)
    count = "import os\nsaid = str(sorted(int(p) for p in os.listdir('/proc') if p.isdigit()))"
    assert "[1]" in says(arms[1], count)


@pytest.mark.skipif(os.geteuid() != 0, reason="uids differ only when started as root")
def test_siblings_have_uids_of_their_own(arms: list[Arm]) -> None:
    uids = {says(arm, "import os\nsaid = f'uid {os.getuid()}'") for arm in arms}
    assert len(uids) == 2


def test_the_fork_server_cannot_be_reached(arms: list[Arm]) -> None:
    code = (
        "import os\nsaid = str([os.getppid(), sorted(int(d) for d in os.listdir('/proc/self/fd'))])"
    )
    assert "[0, [0, 1, 2, 3, 4]]" in says(arms[0], code)


def test_what_a_child_left_behind_dies_with_it(arms: list[Arm]) -> None:
    code = (
        "import os, time\n"
        "for _ in range(3):\n"
        "    if os.fork() == 0:\n"
        "        os.setsid()\n"
        "        if os.fork() == 0: time.sleep(600)\n"
        "        os._exit(0)\n"
        "said = 'forked'"
    )
    assert "forked" in says(arms[0], code)
    inside = arms[0]._child.namespace.inside()
    assert len(inside) >= 4
    arms[0].close()
    for pid in inside:
        assert _threads(pid) <= {"Z", "X"}


def test_an_environment_below_tmp_stays_visible_and_read_only(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    environment = Path(tempfile.mkdtemp(dir="/tmp"))
    (environment / "module.py").write_text("word = 'found it'")
    environment.chmod(0o755)
    more = (*runtime_mounts(), Mount(environment, str(environment)))
    monkeypatch.setattr("sandbox.warm.runtime_mounts", lambda: more)
    server = Zygote(open_sandbox(tmp_path), imports=("sandbox.runner.main", "torch"))
    arm = Arm(server)
    try:
        code = (
            f"import os, sys; sys.path.insert(0, {str(environment)!r})\n"
            "import module\n"
            f"try: open({str(environment / 'new')!r}, 'w'); said = 'wrote'\n"
            "except OSError as error: said = f'{module.word} {os.strerror(error.errno)} '\n"
            "said += str(sorted(os.listdir('/tmp')))"
        )
        said = says(arm, code)
        assert "found it Read-only file system" in said or "found it Permission denied" in said
        below = [Path(mount.target) for mount in more if mount.target.startswith("/tmp/")]
        assert str(sorted({path.relative_to("/tmp").parts[0] for path in below})) in said
    finally:
        arm.close()
        server.close()
        shutil.rmtree(environment)


def test_a_fork_server_that_died_is_started_again(tmp_path: Path) -> None:
    server = Zygote(open_sandbox(tmp_path), imports=("sandbox.runner.main", "torch"))
    try:
        Arm(server).close()
        assert server._popen is not None
        os.kill(server._popen.pid, signal.SIGKILL)
        server._popen.wait()
        Arm(server).close()
    finally:
        server.close()


def test_a_fork_server_that_cannot_start_says_why(tmp_path: Path) -> None:
    server = Zygote(open_sandbox(tmp_path), imports=("no_such_module",))
    with pytest.raises(SandboxFailure, match="no_such_module"):
        Arm(server)
    server.close()


def test_processes_of_a_child_share_one_bound_of_memory(
    zygote: Zygote, monkeypatch: pytest.MonkeyPatch
) -> None:
    little = replace(HOST_LIMITS, memory_bytes=800 << 20)
    monkeypatch.setattr("sandbox.judge.arm.HOST_LIMITS", little)
    hogs = (
        "import os, time\n"
        "for _ in range(6):\n"
        "    if os.fork() == 0:\n"
        "        kept = bytearray(os.urandom(1 << 20) * 200)\n"
        "        time.sleep(30)\n"
        "time.sleep(10)"
    )
    runner = Arm(zygote)
    started = time.perf_counter()
    with pytest.raises(CandidateFailure, match="GiB of memory"):
        runner.load(solution(hogs), None, 20.0)
    runner.close()
    assert time.perf_counter() - started < 5
