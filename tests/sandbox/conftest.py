"""A sandbox, opened once a worker."""

from __future__ import annotations

import pytest

from sandbox.box import Sandbox, open_sandbox


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Sandbox:
    return open_sandbox(tmp_path_factory.mktemp("work"))
