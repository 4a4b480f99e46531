"""The command line adds to a state directory beside a running server."""

from __future__ import annotations

import json
import shutil
import stat
import threading
from datetime import timedelta
from pathlib import Path

import pytest

from sandbox.errors import AssayError
from server.operator import SOCKET, add_artifact, add_problem, operator_door
from server.principals import Role
from server.services import open_services
from server.settings import Settings, load_settings
from server.setup import initialise
from tests.judging import write_problem

KERNELS = Path(__file__).resolve().parents[2] / "kernels"


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    found = load_settings(tmp_path / ("deep" * 20) / "state")
    initialise(found, [("ann", Role.WRITER)], timedelta(days=1))
    return found


def test_without_a_server_the_state_is_opened(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("seen")
    stored = add_artifact(settings, file)
    with open_services(settings) as services:
        assert services.artifacts.path(stored.artifact_id).read_text() == "seen"


def test_beside_a_server_it_is_asked(settings: Settings, tmp_path: Path) -> None:
    """A state directory far longer than a socket's address may be."""
    file = tmp_path / "report.ncu-rep"
    file.write_bytes(b"bytes")
    source = write_problem(tmp_path / "problem").root
    with open_services(settings) as services, operator_door(services):
        mode = (services.state.root / SOCKET).stat().st_mode
        assert stat.S_ISSOCK(mode)
        assert stat.S_IMODE(mode) == 0o600
        assert add_artifact(settings, file).kind == "ncu-report"
        assert add_problem(settings, source, 1.5) == "rmsnorm_small"
        assert services.problems.get("rmsnorm_small").name == "rmsnorm_small"
        assert services.journal.history.campaigns["rmsnorm_small"].record.target_speedup == 1.5
    assert not (services.state.root / SOCKET).exists()


def test_its_errors_come_back(settings: Settings, tmp_path: Path) -> None:
    with open_services(settings) as services, operator_door(services):
        with pytest.raises(AssayError, match="cannot be read"):
            add_artifact(settings, tmp_path / "absent")
        changed = tmp_path / "changed"
        shutil.copytree(KERNELS / "rmsnorm_h4096", changed)
        (changed / "settings.json").write_text(json.dumps({"trials": 4}))
        with pytest.raises(AssayError) as caught:
            add_problem(settings, changed, 1.0)
        assert caught.value.code == "problem_exists"
        assert caught.value.hint


def test_who_holds_the_ledger_without_a_door_is_said(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "notes.txt"
    file.write_text("x")
    with open_services(settings), pytest.raises(AssayError) as caught:
        add_artifact(settings, file)
    assert caught.value.code == "ledger_locked"


def test_requests_side_by_side(settings: Settings, tmp_path: Path) -> None:
    files = [tmp_path / f"{n}.txt" for n in range(8)]
    for number, file in enumerate(files):
        file.write_text(str(number))
    found: list[str] = []
    with open_services(settings) as services, operator_door(services):
        threads = [
            threading.Thread(target=lambda f=f: found.append(add_artifact(settings, f).sha256))
            for f in files
        ]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert len(set(found)) == 8
