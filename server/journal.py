"""The journal: write an event, then let everyone see it.

The ledger is the only source of truth. `History` is a projection of it: a few dictionaries that are
rebuilt from the events at start and updated after each durable append, so nothing is visible that
would not survive a crash.
"""

from __future__ import annotations

import secrets
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Any, Generic, TypeVar

from pydantic import BaseModel

from sandbox.errors import AssayError
from server.artifacts import Artifact
from server.ledger.events import Event, Receipt
from server.ledger.writer import Ledger
from server.records import (
    CampaignRecord,
    CandidateRecord,
    CaptureRecord,
    ProblemRecord,
    ProfileRecord,
    ReviewRecord,
    RunRecord,
    SolutionRecord,
)

T = TypeVar("T", bound=BaseModel)
U = TypeVar("U")


@dataclass(frozen=True)
class Fact(Generic[T]):
    """A record with who caused it, when, and where the ledger says so."""

    record: T
    actor: str
    ts: str
    seq: int


@dataclass
class JobFact:
    """A job as the ledger knows it."""

    job_id: str
    owner: str
    tool: str
    state: str
    ts: str


@dataclass
class History:
    """What the events add up to."""

    solutions: dict[str, Fact[SolutionRecord]] = field(default_factory=dict)
    submitters: dict[str, set[str]] = field(default_factory=dict)
    runs: dict[str, Fact[RunRecord]] = field(default_factory=dict)
    profiles: dict[str, Fact[ProfileRecord]] = field(default_factory=dict)
    captures: dict[tuple[str, ...], Fact[CaptureRecord]] = field(default_factory=dict)
    artifacts: dict[str, Artifact] = field(default_factory=dict)
    artifact_owners: dict[str, set[str]] = field(default_factory=dict)
    candidates: dict[str, Fact[CandidateRecord]] = field(default_factory=dict)
    reviews: dict[str, list[Fact[ReviewRecord]]] = field(default_factory=dict)
    campaigns: dict[str, Fact[CampaignRecord]] = field(default_factory=dict)
    problems: dict[str, Fact[ProblemRecord]] = field(default_factory=dict)
    jobs: dict[str, JobFact] = field(default_factory=dict)
    compiled: set[str] = field(default_factory=set)

    def apply(self, event: Event) -> None:
        """Take one event in. Kinds that no projection needs are passed over."""
        handler = _HANDLERS.get(event.kind)
        if handler is not None:
            handler(self, event)

    def candidate_of(self, solution_id: str, campaign: str) -> Fact[CandidateRecord] | None:
        """The first candidate that recorded a solution in a campaign."""
        for fact in self.candidates.values():
            if fact.record.solution_id == solution_id and fact.record.campaign == campaign:
                return fact
        return None

    def is_recorded(self, solution_id: str) -> bool:
        return any(f.record.solution_id == solution_id for f in self.candidates.values())

    def _own(self, artifact_id: str | None, actor: str) -> None:
        if artifact_id:
            self.artifact_owners.setdefault(artifact_id, set()).add(actor)


def _fact(event: Event, model: type[T]) -> Fact[T]:
    return Fact(model.model_validate(event.data), event.actor, event.ts, event.seq)


def _solution(history: History, event: Event) -> None:
    fact = _fact(event, SolutionRecord)
    history.solutions.setdefault(fact.record.solution_id, fact)
    history.submitters.setdefault(fact.record.solution_id, set()).add(event.actor)


def _compiled(history: History, event: Event) -> None:
    if event.data["ok"]:
        history.compiled.add(event.data["solution_id"])
    for artifact_id in event.data["artifacts"]:
        history._own(artifact_id, event.actor)


def _run(history: History, event: Event) -> None:
    fact = _fact(event, RunRecord)
    history.runs[fact.record.run_id] = fact
    history._own(fact.record.artifact_id, event.actor)


def _profile(history: History, event: Event) -> None:
    fact = _fact(event, ProfileRecord)
    history.profiles[fact.record.profile_id] = fact


def _captured(history: History, event: Event) -> None:
    fact = _fact(event, CaptureRecord)
    history.captures.setdefault(fact.record.question, fact)
    history._own(fact.record.artifact_id, event.actor)


def _artifact(history: History, event: Event) -> None:
    artifact = Artifact.model_validate(event.data)
    history.artifacts[artifact.artifact_id] = artifact
    history._own(artifact.artifact_id, event.actor)


def _candidate(history: History, event: Event) -> None:
    fact = _fact(event, CandidateRecord)
    history.candidates[fact.record.candidate_id] = fact


def _review(history: History, event: Event) -> None:
    fact = _fact(event, ReviewRecord)
    history.reviews.setdefault(fact.record.candidate_id, []).append(fact)


def _campaign(history: History, event: Event) -> None:
    fact = _fact(event, CampaignRecord)
    history.campaigns[fact.record.campaign] = fact


def _problem(history: History, event: Event) -> None:
    fact = _fact(event, ProblemRecord)
    history.problems[fact.record.problem] = fact


def _job_queued(history: History, event: Event) -> None:
    job_id = event.data["job_id"]
    history.jobs[job_id] = JobFact(job_id, event.actor, event.tool, "queued", event.ts)


def _job_ended(history: History, event: Event) -> None:
    job = history.jobs.get(event.data["job_id"])
    if job is not None:
        job.state = "lost" if event.kind == "job.lost" else event.data["state"]
        job.ts = event.ts


_HANDLERS: Mapping[str, Callable[[History, Event], None]] = {
    "solution.stored": _solution,
    "compile.finished": _compiled,
    "run.finished": _run,
    "profile.captured": _captured,
    "profile.read": _profile,
    "artifact.added": _artifact,
    "candidate.recorded": _candidate,
    "candidate.reviewed": _review,
    "campaign.created": _campaign,
    "problem.registered": _problem,
    "job.queued": _job_queued,
    "job.finished": _job_ended,
    "job.lost": _job_ended,
}


@dataclass(frozen=True)
class Origin:
    """On whose behalf, and during which request, an event is written."""

    actor: str
    role: str
    request: str = ""
    tool: str = ""


OPERATOR = Origin(actor="operator", role="operator")


class Journal:
    """The ledger and its projection, kept in step."""

    def __init__(self, ledger: Ledger) -> None:
        self.ledger = ledger
        self.history = History()
        for event in ledger.events(kinds=tuple(_HANDLERS)):
            self.history.apply(event)

    async def record(
        self, kind: str, origin: Origin, data: BaseModel | Mapping[str, Any]
    ) -> Receipt:
        """Append an event; return when it is durable and visible."""
        body = _plain(data)
        receipt = await self.ledger.record(
            kind,
            request=origin.request,
            actor=origin.actor,
            role=origin.role,
            tool=origin.tool,
            data=body,
        )
        self._apply(kind, origin, body, receipt)
        return receipt

    def append(self, kind: str, origin: Origin, data: BaseModel | Mapping[str, Any]) -> Receipt:
        """The same for synchronous callers (the command line)."""
        body = _plain(data)
        receipt = self.ledger.append(
            kind,
            request=origin.request,
            actor=origin.actor,
            role=origin.role,
            tool=origin.tool,
            data=body,
        )
        self._apply(kind, origin, body, receipt)
        return receipt

    def _apply(self, kind: str, origin: Origin, data: Mapping[str, Any], receipt: Receipt) -> None:
        self.history.apply(
            Event(
                seq=receipt.seq,
                ts=receipt.ts,
                kind=kind,
                request=origin.request,
                actor=origin.actor,
                role=origin.role,
                tool=origin.tool,
                data=dict(data),
            )
        )


def _plain(data: BaseModel | Mapping[str, Any]) -> dict[str, Any]:
    return data.model_dump(mode="json") if isinstance(data, BaseModel) else dict(data)


def new_id(prefix: str) -> str:
    """`prefix_` and 80 random bits."""
    return f"{prefix}_{secrets.token_hex(10)}"


def require(found: U | None, kind: str, identifier: str, known: Iterable[str] = ()) -> U:
    """Return what was found, or raise a clear error that names what exists.

    The answer for "does not exist" and "is not yours" is the same on purpose.
    """
    if found is not None:
        return found
    names = sorted(known)[:10]
    raise AssayError(
        f"unknown_{kind}",
        f"There is no {kind} {identifier[:80]!r} that you can see.",
        f"Known: {', '.join(names)}." if names else "",
    )
