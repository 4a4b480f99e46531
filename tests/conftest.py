"""Shared fixtures: a real state directory, a real server process, real MCP clients."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

import pytest

from server.principals import Role
from server.settings import Settings
from server.setup import initialise
from tests.judging import bench, judge, problem
from tools.demo.harness import Server, start_server

__all__ = ["bench", "judge", "problem"]

PRINCIPALS = (
    ("wanda", Role.WRITER),
    ("walt", Role.WRITER),
    ("victor", Role.VERIFIER),
    ("ada", Role.AUDITOR),
)


@dataclass(frozen=True)
class Prepared:
    """An initialised state directory and the tokens of its principals."""

    state: Path
    tokens: dict[str, str]


@dataclass(frozen=True)
class Live:
    """A running server."""

    server: Server
    state: Path
    tokens: dict[str, str]

    @property
    def url(self) -> str:
        return self.server.url


@pytest.fixture(scope="session")
def template(tmp_path_factory: pytest.TempPathFactory) -> Prepared:
    """Initialised once a worker; tests take copies."""
    state = tmp_path_factory.mktemp("template") / "state"
    made = initialise(Settings(state=state), PRINCIPALS, timedelta(days=1))
    return Prepared(state, {record.name: token for record, token in made.principals})


@pytest.fixture
def prepared(template: Prepared, tmp_path: Path) -> Prepared:
    """A state directory of the test's own."""
    state = tmp_path / "state"
    shutil.copytree(template.state, state)
    return Prepared(state, template.tokens)


@pytest.fixture(scope="session")
def live(template: Prepared, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    """One server for all tests of a worker that do not need their own."""
    state = tmp_path_factory.mktemp("live") / "state"
    shutil.copytree(template.state, state)
    server = start_server(state)
    yield Live(server, state, template.tokens)
    assert server.stop() == 0


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Skip what needs a GPU where there is none."""
    if any(Path("/dev").glob("nvidia[0-9]*")) and os.access("/dev/nvidiactl", os.R_OK):
        return
    skip = pytest.mark.skip(reason="no NVIDIA GPU here")
    for item in items:
        if "gpu" in item.keywords:
            item.add_marker(skip)
