"""Campaigns: candidates, their evidence and their reviews.

No function here takes a figure from a caller. What a candidate has proved is computed from the runs
and profiles that it names, which this server made.
"""

from __future__ import annotations

import hashlib
import json
import statistics
from collections.abc import Iterable

from sandbox.errors import AssayError
from server import access
from server.journal import Fact, History, Journal, Origin, new_id, require
from server.principals import Principal
from server.records import (
    CampaignRecord,
    CandidateRecord,
    Decision,
    ReviewRecord,
    RunRecord,
    Verdict,
    Verified,
)

MAX_PARENTS = 8


class Campaigns:
    """The candidate graph of each campaign."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal

    @property
    def _history(self) -> History:
        return self._journal.history

    def get(self, name: str) -> CampaignRecord:
        fact = self._history.campaigns.get(name)
        return require(fact.record if fact else None, "campaign", name, self._history.campaigns)

    async def record_candidate(
        self,
        who: Principal,
        origin: Origin,
        *,
        campaign: str,
        solution_id: str,
        parents: tuple[str, ...],
        direction: str,
        hypothesis: str,
        decision: Decision,
        rationale: str,
        run_ids: tuple[str, ...],
        profile_ids: tuple[str, ...],
    ) -> CandidateRecord:
        """Add a node to the graph, with what the server can verify about it.

        Raises:
            AssayError: `duplicate_candidate`, `unknown_*` or `wrong_evidence`.
        """
        contract = self.get(campaign)
        history = self._history
        if not access.may_see_solution(who, solution_id, history):
            require(None, "solution", solution_id)
        first = history.candidate_of(solution_id, campaign)
        if first is not None:
            raise AssayError(
                "duplicate_candidate",
                f"{solution_id} is already candidate {first.record.candidate_id} in {campaign}.",
                "Change the solution, or continue from that candidate (get_candidate).",
            )
        self._check_parents(parents, campaign)
        runs = [self._run(who, run_id, solution_id, contract) for run_id in unique(run_ids)]
        for profile_id in unique(profile_ids):
            if not access.may_see_profile(who, profile_id, history):
                require(None, "profile", profile_id)
            whose = history.profiles[profile_id].record.solution_id
            if whose not in (None, solution_id):
                raise AssayError(
                    "wrong_evidence",
                    f"{profile_id} is a profile of {whose}, not of {solution_id}.",
                    "Capture this solution: profile_ncu(solution_id=...).",
                )
        verified = self._verify(solution_id, runs, profile_ids, contract)
        candidate = CandidateRecord(
            candidate_id=new_id("cand"),
            campaign=campaign,
            problem=contract.problem,
            solution_id=solution_id,
            parents=unique(parents),
            direction=direction,
            hypothesis=hypothesis,
            decision=decision,
            rationale=rationale,
            run_ids=unique(run_ids),
            profile_ids=unique(profile_ids),
            verified=verified,
            missing=missing_for_promotion(verified, contract),
        )
        await self._journal.record("candidate.recorded", origin, candidate)
        return candidate

    async def review(
        self,
        who: Principal,
        origin: Origin,
        *,
        candidate_id: str,
        verdict: Verdict,
        rationale: str,
        run_ids: tuple[str, ...],
    ) -> ReviewRecord:
        """Judge a candidate. Approval needs a full passing run that the reviewer made itself.

        Raises:
            AssayError: `unknown_candidate`, `own_candidate` or `wrong_evidence`.
        """
        fact = self._history.candidates.get(candidate_id)
        candidate = require(fact.record if fact else None, "candidate", candidate_id)
        decision = access.may_review(who, candidate_id, self._history)
        if not decision:
            raise AssayError(
                "own_candidate", f"You may not review {candidate_id}: {decision.reason}."
            )
        contract = self.get(candidate.campaign)
        own_runs = [
            self._run(who, run_id, candidate.solution_id, contract) for run_id in unique(run_ids)
        ]
        if verdict == "approve":
            confirming = [
                run
                for run in own_runs
                if run.passed
                and run.workload_set == "full"
                and self._history.runs[run.run_id].actor == who.name
            ]
            if not confirming:
                raise AssayError(
                    "approval_needs_own_run",
                    "Approval needs a passing run on the full workload set that you made yourself.",
                    f"Call run_bench(solution_id={candidate.solution_id!r}, "
                    f"problem={candidate.problem!r}, workloads='full') and name its run_id.",
                )
        evidence = [candidate.model_dump(mode="json")] + [
            self._history.runs[run_id].record.model_dump(mode="json")
            for run_id in unique((*candidate.run_ids, *run_ids))
        ]
        review = ReviewRecord(
            review_id=new_id("rev"),
            candidate_id=candidate_id,
            campaign=candidate.campaign,
            verdict=verdict,
            rationale=rationale,
            run_ids=unique(run_ids),
            evidence_sha256=hashlib.sha256(
                json.dumps(evidence, sort_keys=True, separators=(",", ":")).encode()
            ).hexdigest(),
        )
        await self._journal.record("candidate.reviewed", origin, review)
        return review

    def status(self, candidate_id: str) -> str:
        """`promoted`, `approved`, `needs_work`, `rejected` or `unreviewed`.

        Promotion is the server's to say: the latest review approves and nothing is missing.
        """
        reviews = self._history.reviews.get(candidate_id, [])
        if not reviews:
            return "unreviewed"
        verdict = reviews[-1].record.verdict
        if verdict == "approve":
            missing = self._history.candidates[candidate_id].record.missing
            return "approved" if missing else "promoted"
        return "rejected" if verdict == "reject" else "needs_work"

    def candidates(self, campaign: str) -> list[Fact[CandidateRecord]]:
        self.get(campaign)
        return [f for f in self._history.candidates.values() if f.record.campaign == campaign]

    def visible_runs(self, who: Principal, campaign: str) -> list[Fact[RunRecord]]:
        return [
            fact
            for run_id, fact in self._history.runs.items()
            if fact.record.campaign == campaign and access.may_see_run(who, run_id, self._history)
        ]

    def _check_parents(self, parents: tuple[str, ...], campaign: str) -> None:
        if len(unique(parents)) > MAX_PARENTS:
            raise AssayError("too_many_parents", f"A candidate has at most {MAX_PARENTS} parents.")
        for parent in parents:
            fact = self._history.candidates.get(parent)
            known = [
                c.record.candidate_id
                for c in self._history.candidates.values()
                if c.record.campaign == campaign
            ]
            if fact is None or fact.record.campaign != campaign:
                require(None, "candidate", parent, known)

    def _run(
        self, who: Principal, run_id: str, solution_id: str, contract: CampaignRecord
    ) -> RunRecord:
        if not access.may_see_run(who, run_id, self._history):
            require(None, "run", run_id)
        run = self._history.runs[run_id].record
        if run.solution_id != solution_id:
            raise AssayError(
                "wrong_evidence",
                f"{run_id} measured {run.solution_id}, not {solution_id}.",
                "Name runs of this very solution; run_bench makes one.",
            )
        if run.problem_sha256 != contract.problem_sha256:
            raise AssayError(
                "wrong_evidence",
                f"{run_id} was made on another version of the problem than {contract.campaign}'s.",
                "Run it again on the campaign's problem.",
            )
        return run

    def _verify(
        self,
        solution_id: str,
        runs: list[RunRecord],
        profile_ids: tuple[str, ...],
        contract: CampaignRecord,
    ) -> Verified:
        """What the evidence proves.

        The runs that are cited open the question; the answer counts every full run of this solution
        on this problem, whoever made it, so that citing the luckiest of many changes nothing.
        """
        full = [
            fact.record
            for fact in self._history.runs.values()
            if fact.record.solution_id == solution_id
            and fact.record.problem_sha256 == contract.problem_sha256
            and fact.record.workload_set == "full"
        ]
        cited_full = any(run.workload_set == "full" for run in runs)
        correct = cited_full and all(run.passed for run in full)
        return Verified(
            compiled=solution_id in self._history.compiled,
            correct_subset=any(run.passed for run in runs),
            correct_full=correct,
            faster_full=correct and sum(run.faster for run in full) * 2 > len(full),
            profiled=bool(profile_ids),
            full_runs=len(full),
            speedup_geomean=_median(run.speedup_geomean for run in full) if correct else None,
            speedup_min=_median(run.speedup_min for run in full) if correct else None,
        )


def _median(values: Iterable[float | None]) -> float | None:
    known = [value for value in values if value is not None]
    return statistics.median(known) if known else None


def missing_for_promotion(verified: Verified, contract: CampaignRecord) -> tuple[str, ...]:
    """What a candidate still needs, each item saying which tool provides it."""
    missing = []
    if not verified.correct_full:
        missing.append("a passing run on the full workload set: run_bench(workloads='full')")
    elif not verified.faster_full:
        missing.append("a full run whose confidence interval lies above 1: it is not faster yet")
    elif (verified.speedup_geomean or 0.0) < contract.target_speedup:
        missing.append(
            f"a geometric-mean speedup of {contract.target_speedup:g}, the campaign's target "
            f"(measured: {verified.speedup_geomean:.3f})"
        )
    return tuple(missing)


def unique(items: Iterable[str]) -> tuple[str, ...]:
    """The items without repeats, in order."""
    return tuple(dict.fromkeys(items))
