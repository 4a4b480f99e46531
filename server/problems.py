"""The registry of pinned problems.

An operator registers a problem; its definition, workloads, baseline, tolerances and blobs are copied
into the state directory and their hashes go into the ledger. Every use checks the files against the
ledger, so changing them on disk is an error, not a new problem. Nothing here is reachable by MCP.
"""

from __future__ import annotations

from pathlib import Path

from sandbox.dataset import check_blobs
from sandbox.errors import AssayError
from sandbox.pinning import pin_problem, verify_problem
from sandbox.problem import Problem, load_problem
from server.journal import OPERATOR, Journal, require
from server.records import CampaignRecord, ProblemRecord

DEFAULT_TARGET_SPEEDUP = 1.0


class Problems:
    """Pinned problems, by name."""

    def __init__(self, root: Path, journal: Journal) -> None:
        self._root = root
        self._journal = journal

    def register(self, source: Path, target_speedup: float = DEFAULT_TARGET_SPEEDUP) -> Problem:
        """Pin the problem in `source` and open a campaign of the same name on it.

        Raises:
            AssayError: `problem_exists`, or whatever is wrong with the files.
        """
        candidate = load_problem(source)
        check_blobs(candidate)
        known = self._journal.history.problems.get(candidate.name)
        if known is not None:
            if known.record.problem_sha256 == candidate.sha256:
                return self.get(candidate.name)
            raise AssayError(
                "problem_exists",
                f"A problem named {candidate.name!r} is pinned with other content "
                f"({known.record.problem_sha256[:12]}…, this is {candidate.sha256[:12]}…).",
                "A pinned problem never changes. Give the new version another name.",
            )
        problem = pin_problem(source, self._root / candidate.name)
        self._journal.append(
            "problem.registered",
            OPERATOR,
            ProblemRecord(
                problem=problem.name, problem_sha256=problem.sha256, pins=dict(problem.pins)
            ),
        )
        self._journal.append(
            "campaign.created",
            OPERATOR,
            CampaignRecord(
                campaign=problem.name,
                problem=problem.name,
                problem_sha256=problem.sha256,
                target_speedup=target_speedup,
            ),
        )
        return problem

    def names(self) -> list[str]:
        return sorted(self._journal.history.problems)

    def get(self, name: str) -> Problem:
        """A pinned problem, read once and checked against the ledger."""
        fact = self._journal.history.problems.get(name)
        record = require(fact.record if fact else None, "problem", name, self.names())
        return verify_problem(self._root / record.problem, record.problem_sha256)
