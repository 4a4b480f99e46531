"""Who may see and use what: each question answered with its reason.

The role table (which tool a role may call at all) is data in `tools/`. This module decides about
single objects: whose solution, run, artifact or job it is, and whether its owner made it public by
recording a candidate.
"""

from __future__ import annotations

from dataclasses import dataclass

from server.journal import History
from server.principals import Principal, Role


@dataclass(frozen=True)
class Decision:
    """An answer and the rule that gave it."""

    allowed: bool
    reason: str

    def __bool__(self) -> bool:
        return self.allowed


def _yes(reason: str) -> Decision:
    return Decision(True, reason)


def _no(reason: str) -> Decision:
    return Decision(False, reason)


def may_see_solution(who: Principal, solution_id: str, history: History) -> Decision:
    """Writers see their own and recorded solutions; verifiers recorded ones; auditors all."""
    if who.role is Role.AUDITOR:
        return _yes("auditors see everything")
    if history.is_recorded(solution_id):
        return _yes("it was recorded as a candidate")
    if who.name in history.submitters.get(solution_id, ()):
        return _yes("you submitted it")
    return _no("it is another principal's and was not recorded as a candidate")


def may_see_run(who: Principal, run_id: str, history: History) -> Decision:
    """A run is visible to who made it and, once evidence of a candidate, to everyone."""
    fact = history.runs.get(run_id)
    if fact is None:
        return _no("it does not exist")
    if who.role is Role.AUDITOR:
        return _yes("auditors see everything")
    if fact.actor in (who.name, "operator"):
        return _yes("you made it" if fact.actor == who.name else "the operator made it")
    if any(run_id in c.record.run_ids for c in history.candidates.values()) or any(
        run_id in r.record.run_ids for rs in history.reviews.values() for r in rs
    ):
        return _yes("it is evidence of a candidate")
    return _no("it is another principal's and no candidate cites it")


def may_see_artifact(who: Principal, artifact_id: str, history: History) -> Decision:
    """An artifact is visible to its owners, and to all once a recorded candidate rests on it."""
    owners = history.artifact_owners.get(artifact_id)
    if owners is None:
        return _no("it does not exist")
    if who.role is Role.AUDITOR:
        return _yes("auditors see everything")
    if who.name in owners or "operator" in owners:
        return _yes("it is yours" if who.name in owners else "the operator shared it")
    for run_id, fact in history.runs.items():
        if fact.record.artifact_id == artifact_id and may_see_run(who, run_id, history):
            return _yes("it belongs to a run that you may see")
    return _no("it is another principal's")


def may_see_profile(who: Principal, profile_id: str, history: History) -> Decision:
    """A profile is visible to who made it and, once evidence of a candidate, to everyone."""
    fact = history.profiles.get(profile_id)
    if fact is None:
        return _no("it does not exist")
    if who.role is Role.AUDITOR or fact.actor in (who.name, "operator"):
        return _yes("you may see it")
    if any(profile_id in c.record.profile_ids for c in history.candidates.values()):
        return _yes("it is evidence of a candidate")
    return _no("it is another principal's")


def may_review(who: Principal, candidate_id: str, history: History) -> Decision:
    """A verifier may review a candidate that is not its own in any part."""
    fact = history.candidates[candidate_id]
    if who.role is not Role.VERIFIER:
        return _no(f"only a verifier reviews, and you are a {who.role}")
    if fact.actor == who.name or who.name in history.submitters.get(fact.record.solution_id, ()):
        return _no("nobody reviews their own candidate")
    return _yes("you are a verifier and it is not yours")
