"""Leases: one holder at a time, among processes that know nothing of each other."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox import leases
from sandbox.errors import SandboxFailure
from sandbox.leases import lease, open_lock

HOLDER = """
import sys, time
from sandbox.leases import lease
with lease(sys.argv[1], "It", 5.0):
    print("held", flush=True)
    time.sleep(60)
"""


@pytest.fixture
def holder() -> Iterator[tuple[str, subprocess.Popen[str]]]:
    """Another process that has a lease."""
    name = f"test-{os.getpid()}"
    with subprocess.Popen(
        [sys.executable, "-c", HOLDER, name],
        cwd=Path(__file__).resolve().parents[2],
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield name, process
        process.kill()


def test_what_another_process_has_is_waited_for(
    holder: tuple[str, subprocess.Popen[str]], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(leases, "SAY_S", 0.1)
    name, _ = holder
    said: list[str] = []
    with pytest.raises(SandboxFailure) as caught, lease(name, "The GPU", 0.4, said.append):
        pass
    assert caught.value.code == "device_busy"
    assert said[0] == "waiting for The GPU, which another measurement has"


def test_a_lease_ends_with_its_holder(holder: tuple[str, subprocess.Popen[str]]) -> None:
    name, process = holder
    os.kill(process.pid, signal.SIGKILL)
    began = time.monotonic()
    with lease(name, "It", 5.0):
        assert time.monotonic() - began < 2


def test_who_waits_comes_before_who_had_it() -> None:
    """Somebody takes it again the moment that it is free, as a server with many jobs does."""
    name, over = f"again-{os.getpid()}", threading.Event()

    def again_and_again() -> None:
        while not over.is_set():
            with lease(name, "It", 5.0):
                time.sleep(0.2)

    other = threading.Thread(target=again_and_again)
    other.start()
    try:
        time.sleep(0.1)
        for _ in range(3):
            with lease(name, "It", 2.0):
                pass
    finally:
        over.set()
        other.join()


def test_two_leases_at_a_time() -> None:
    with lease(f"a-{os.getpid()}", "A", 0.2), lease(f"b-{os.getpid()}", "B", 0.2):
        pass


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can make what is somebody else's")
def test_somebody_elses_directory_is_not_used(tmp_path: Path) -> None:
    os.chown(tmp_path, 12345, -1)
    with pytest.raises(SandboxFailure) as caught:
        open_lock(tmp_path, "cpu-1")
    assert caught.value.code == "lock_failed"
