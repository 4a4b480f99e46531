"""Principals, artifacts, solutions, settings, jobs: what they keep and what they refuse."""

from __future__ import annotations

import asyncio
import stat
from collections.abc import Awaitable, Callable
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import BaseModel

from sandbox.errors import AssayError
from sandbox.solution import parse_solution
from server.artifacts import ArtifactStore
from server.jobs import Jobs
from server.journal import Journal, Origin
from server.ledger.writer import Ledger
from server.principals import Principal, PrincipalRecord, Principals, Role
from server.settings import default_state, load_settings
from server.solutions import SolutionStore
from tools.demo.harness import load

WRITER = Principal("wanda", Role.WRITER)
ORIGIN = Origin("wanda", "writer", tool="run_bench")


def test_a_token_works_until_it_expires_is_rotated_or_revoked(tmp_path: Path) -> None:
    principals = Principals(tmp_path / "principals.json")
    _, token = principals.add("wanda", Role.WRITER)
    assert principals.authenticate(token) == WRITER
    _, second = principals.rotate("wanda")
    assert principals.authenticate(token) is None
    assert principals.authenticate(second) == WRITER
    principals.revoke("wanda")
    assert principals.authenticate(second) is None
    _, expired = principals.add("eve", Role.VERIFIER, timedelta(seconds=-1))
    assert principals.authenticate(expired) is None
    file = tmp_path / "principals.json"
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    assert token not in file.read_text()


def test_changes_by_another_process_are_noticed_and_reported(tmp_path: Path) -> None:
    heard: list[tuple[str, str]] = []

    def note(kind: str, record: PrincipalRecord) -> None:
        heard.append((kind, record.name))

    operator = Principals(tmp_path / "principals.json")
    operator.add("first", Role.WRITER)
    server = Principals(tmp_path / "principals.json", note)
    server.list()
    _, token = operator.add("late", Role.AUDITOR)
    assert server.authenticate(token) == Principal("late", Role.AUDITOR)
    operator.rotate("late")
    server.list()
    operator.revoke("late")
    server.list()
    assert heard == [
        ("principal.added", "late"),
        ("principal.rotated", "late"),
        ("principal.revoked", "late"),
    ]


@settings(max_examples=50, deadline=None)
@given(st.text(max_size=80))
def test_no_other_text_is_a_token(tmp_path_factory: pytest.TempPathFactory, guess: str) -> None:
    principals = Principals(tmp_path_factory.mktemp("p") / "principals.json")
    principals.add("wanda", Role.WRITER)
    assert principals.authenticate(guess) is None


def test_artifacts_are_checked_on_every_read(tmp_path: Path) -> None:
    store = ArtifactStore(tmp_path, 1000)
    artifact = store.put(b"evidence", name="a", kind="file")
    assert store.put(b"evidence", name="b", kind="file").artifact_id == artifact.artifact_id
    assert store.get(artifact.artifact_id) == b"evidence"
    path = store.path(artifact.artifact_id)
    path.chmod(0o600)
    path.write_bytes(b"forged")
    with pytest.raises(AssayError) as caught:
        store.get(artifact.artifact_id)
    assert caught.value.code == "artifact_corrupt"
    for wrong in ("art_" + "0" * 32, "art_*", "../../x", ""):
        with pytest.raises(AssayError, match=r"artifact"):
            store.get(wrong)
    with pytest.raises(AssayError) as caught:
        store.put(b"x" * 1001, name="big", kind="file")
    assert caught.value.code == "artifact_too_large"


def test_solutions_are_checked_on_every_read(tmp_path: Path) -> None:
    import json

    store = SolutionStore(tmp_path)
    solution = parse_solution(json.dumps(load("silu_and_mul_d8192", "in_place_torch")))
    store.put(solution)
    assert store.get(solution.solution_id) == solution
    file = tmp_path / f"{solution.solution_id}.json"
    file.chmod(0o600)
    file.write_text(file.read_text().replace("mul_", "add_"))
    with pytest.raises(AssayError) as caught:
        store.get(solution.solution_id)
    assert caught.value.code == "solution_corrupt"


def test_settings_come_from_file_environment_and_arguments(tmp_path: Path) -> None:
    (tmp_path / "config.toml").write_text("port = 1\ncompile_slots = 3\nwiki_deny = ['tool-x']\n")
    found = load_settings(tmp_path, {"ASSAY_PORT": "2"}, host="127.0.0.2")
    assert (found.port, found.compile_slots, found.host) == (2, 3, "127.0.0.2")
    assert found.wiki_deny == ("tool-x",)
    assert default_state({"ASSAY_STATE": "/x"}) == Path("/x")
    assert default_state({"XDG_STATE_HOME": "/y"}) == Path("/y/kernel-assay")
    for text, words in (("port = 'a'", "port"), ("nonsense = 1", "nonsense"), ("= 1", "TOML")):
        (tmp_path / "config.toml").write_text(text)
        with pytest.raises(AssayError, match=words):
            load_settings(tmp_path, {})


class Answer(BaseModel):
    value: int


Work = Callable[[Callable[[float, str], None]], Awaitable[BaseModel]]


def journal(path: Path) -> Journal:
    return Journal(Ledger.open(path, "test/ledger", None))


async def quiet(fraction: float, doing: str) -> None:
    """Nobody listens."""


def test_jobs_end_fail_and_belong_to_somebody(tmp_path: Path) -> None:
    opened = journal(tmp_path)

    async def fine(progress: Callable[[float, str], None]) -> BaseModel:
        progress(0.5, "half")
        await asyncio.sleep(0.05)
        return Answer(value=7)

    async def wrong(progress: Callable[[float, str], None]) -> BaseModel:
        raise AssayError("broken", "It broke.", "Mend it.")

    async def defect(progress: Callable[[float, str], None]) -> BaseModel:
        raise RuntimeError("secret detail")

    async def run() -> None:
        jobs = Jobs(opened)
        job = await jobs.start(WRITER, ORIGIN, fine)
        assert not await jobs.wait(job, 0.0, quiet)
        assert await jobs.wait(job, 5.0, quiet)
        assert jobs.get(WRITER, job.job_id).result == Answer(value=7)
        for stranger in (Principal("walt", Role.WRITER), Principal("ada", Role.AUDITOR)):
            with pytest.raises(AssayError) as caught:
                jobs.get(stranger, job.job_id)
            with pytest.raises(AssayError) as none:
                jobs.get(stranger, "job_none")
            assert caught.value.code == none.value.code == "unknown_job"
        failed = await jobs.start(WRITER, ORIGIN, wrong)
        assert await jobs.wait(failed, 5.0, quiet)
        assert failed.state == "failed"
        assert failed.error is not None
        assert failed.error.code == "broken"
        broken = await jobs.start(WRITER, ORIGIN, defect)
        assert await jobs.wait(broken, 5.0, quiet)
        assert broken.error is not None
        assert broken.error.code == "internal_error"
        assert "secret" not in str(broken.error)
        await jobs.close()

    asyncio.run(run())
    kinds = [e.kind for e in opened.ledger.events()]
    opened.ledger.close()
    assert kinds.count("job.queued") == kinds.count("job.finished") == 3


def test_what_a_dead_server_left_is_said_to_be_lost(tmp_path: Path) -> None:
    first = journal(tmp_path)
    first.append("job.queued", ORIGIN, {"job_id": "job_left"})
    first.ledger.close()
    second = journal(tmp_path)

    async def run() -> int:
        jobs = Jobs(second)
        lost = await jobs.recover()
        with pytest.raises(AssayError, match="lost"):
            jobs.get(WRITER, "job_left")
        return lost

    assert asyncio.run(run()) == 1
    second.ledger.close()
