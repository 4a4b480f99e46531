"""What a candidate's evidence proves, computed from runs alone."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from sandbox.errors import AssayError
from server.campaigns import Campaigns
from server.journal import OPERATOR, Journal, Origin
from server.ledger.writer import Ledger
from server.principals import Principal, Role
from server.records import CampaignRecord, CandidateRecord, RunRecord, SolutionRecord

WRITER = Principal("wanda", Role.WRITER)
VERIFIER = Principal("victor", Role.VERIFIER)
ORIGIN = Origin("wanda", "writer", tool="record_candidate")
SOLUTION = "sol_" + "a" * 32


def run_record(run_id: str, speedup: float | None, **more: object) -> RunRecord:
    passed = speedup is not None
    return RunRecord.model_validate(
        {
            "run_id": run_id,
            "solution_id": SOLUTION,
            "problem": "p",
            "problem_sha256": "f" * 64,
            "campaign": "p",
            "workload_set": "full",
            "device": "cpu",
            "passed": passed,
            "official": "PASSED",
            "assay": "PASSED" if passed else "finite",
            "faster": passed and (speedup or 0) > 1.1,
            "speedup_geomean": speedup,
            "speedup_mean": speedup,
            "speedup_min": speedup,
            "integrity": "certified",
            "sandbox_level": "bwrap",
            "artifact_id": None,
            "workloads": [],
            **more,
        }
    )


@pytest.fixture
def journal(tmp_path: Path) -> Iterator[Journal]:
    opened = Journal(Ledger.open(tmp_path, "test/ledger", None))
    opened.append(
        "campaign.created",
        OPERATOR,
        CampaignRecord(campaign="p", problem="p", problem_sha256="f" * 64, target_speedup=1.5),
    )
    opened.append(
        "solution.stored",
        ORIGIN,
        SolutionRecord(
            solution_id=SOLUTION,
            sha256="a" * 64,
            definition="d",
            language="python",
            name="n",
            entry_point="main.py::run",
            files=(),
        ),
    )
    yield opened
    opened.ledger.close()


def record(journal: Journal, *run_ids: str, who: Principal = WRITER) -> CandidateRecord:
    return asyncio.run(
        Campaigns(journal).record_candidate(
            who,
            ORIGIN,
            campaign="p",
            solution_id=SOLUTION,
            parents=(),
            direction="d",
            hypothesis="h",
            decision="keep",
            rationale="r",
            run_ids=run_ids,
            profile_ids=(),
        )
    )


def test_citing_the_luckiest_run_changes_nothing(journal: Journal) -> None:
    for name, speedup in (("run_a", 1.2), ("run_b", 1.25), ("run_lucky", 9.0)):
        journal.append("run.finished", ORIGIN, run_record(name, speedup))
    candidate = record(journal, "run_lucky")
    assert candidate.verified.full_runs == 3
    assert candidate.verified.speedup_geomean == 1.25
    assert any("1.5" in item for item in candidate.missing)


def test_a_failing_full_run_is_not_forgotten(journal: Journal) -> None:
    journal.append("run.finished", ORIGIN, run_record("run_bad", None))
    journal.append("run.finished", ORIGIN, run_record("run_good", 2.0))
    candidate = record(journal, "run_good")
    assert not candidate.verified.correct_full
    assert candidate.verified.speedup_geomean is None
    assert candidate.missing


def test_a_subset_never_promotes(journal: Journal) -> None:
    subset = run_record("run_s", 3.0, workload_set="subset")
    journal.append("run.finished", ORIGIN, subset)
    candidate = record(journal, "run_s")
    assert candidate.verified.correct_subset
    assert not candidate.verified.correct_full
    assert any("full" in item for item in candidate.missing)


def test_nothing_is_proved_without_a_run(journal: Journal) -> None:
    journal.append("run.finished", ORIGIN, run_record("run_a", 2.0))
    candidate = record(journal)
    assert not candidate.verified.correct_full
    assert candidate.missing


def test_enough_evidence_leaves_nothing_missing(journal: Journal) -> None:
    journal.append("run.finished", ORIGIN, run_record("run_a", 2.0))
    assert record(journal, "run_a").missing == ()


@pytest.mark.parametrize(
    "change",
    [{"solution_id": "sol_" + "b" * 32}, {"problem_sha256": "0" * 64}],
)
def test_evidence_must_be_about_this(journal: Journal, change: dict[str, str]) -> None:
    journal.append("run.finished", ORIGIN, run_record("run_x", 2.0, **change))
    with pytest.raises(AssayError) as caught:
        record(journal, "run_x")
    assert caught.value.code == "wrong_evidence"


def test_anothers_solution_and_run_cannot_be_recorded(journal: Journal) -> None:
    journal.append("run.finished", ORIGIN, run_record("run_a", 2.0))
    with pytest.raises(AssayError) as caught:
        record(journal, "run_a", who=Principal("walt", Role.WRITER))
    assert caught.value.code == "unknown_solution"


def test_nobody_reviews_what_they_submitted(journal: Journal) -> None:
    journal.append("run.finished", ORIGIN, run_record("run_a", 2.0))
    candidate = record(journal, "run_a")
    journal.history.submitters[SOLUTION].add(VERIFIER.name)
    with pytest.raises(AssayError) as caught:
        asyncio.run(
            Campaigns(journal).review(
                VERIFIER,
                ORIGIN,
                candidate_id=candidate.candidate_id,
                verdict="reject",
                rationale="r",
                run_ids=(),
            )
        )
    assert caught.value.code == "own_candidate"


def test_history_is_rebuilt_from_the_ledger_alone(journal: Journal) -> None:
    journal.append("run.finished", ORIGIN, run_record("run_a", 2.0))
    record(journal, "run_a")
    again = Journal(journal.ledger)
    assert again.history.candidates.keys() == journal.history.candidates.keys()
    assert again.history.runs == journal.history.runs
