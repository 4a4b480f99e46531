"""record_candidate: put a solution and its evidence into the campaign's graph."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from server.principals import Role
from server.records import Verified
from server.tooling import Call, Tool
from tools.long_work import origin
from tools.models import In, Out

NAME = "record_candidate"

Ids = Annotated[list[str], Field(max_length=32)]


class RecordCandidateIn(In):
    campaign: str = Field(description="Name of the campaign: see get_campaign.")
    solution_id: str = Field(description="From compile_kernel.")
    parents: Ids = Field(
        default_factory=list, description="Candidate ids that this one was developed from."
    )
    direction: str = Field(
        description="The optimisation direction, in a few words.", max_length=200
    )
    hypothesis: str = Field(
        description="What should get faster and why, stated before measuring.", max_length=2000
    )
    decision: Literal["keep", "rollback", "abandon"] = Field(
        description="What you do with it. Failed attempts are worth recording too."
    )
    rationale: str = Field(description="Why, citing the evidence.", max_length=4000)
    run_ids: Ids = Field(
        default_factory=list,
        description="Runs of this solution. The figures are copied from them by the server.",
    )
    profile_ids: Ids = Field(default_factory=list, description="Profiles of this solution.")


class RecordCandidateOut(Out):
    candidate_id: str
    campaign: str
    solution_id: str
    parents: list[str]
    verified: Verified = Field(description="What the server itself found in the evidence.")
    missing: list[str] = Field(description="What promotion still needs; empty if nothing.")
    next: str


async def _handle(call: Call, args: RecordCandidateIn) -> RecordCandidateOut:
    candidate = await call.services.campaigns.record_candidate(
        call.principal,
        origin(call, NAME),
        campaign=args.campaign,
        solution_id=args.solution_id,
        parents=tuple(args.parents),
        direction=args.direction,
        hypothesis=args.hypothesis,
        decision=args.decision,
        rationale=args.rationale,
        run_ids=tuple(args.run_ids),
        profile_ids=tuple(args.profile_ids),
    )
    return RecordCandidateOut(
        candidate_id=candidate.candidate_id,
        campaign=candidate.campaign,
        solution_id=candidate.solution_id,
        parents=list(candidate.parents),
        verified=candidate.verified,
        missing=list(candidate.missing),
        next="A verifier reviews it (review_candidate). You cannot review your own work."
        if not candidate.missing
        else "Provide what is missing, or develop the next candidate with this one as parent.",
    )


TOOL = Tool(
    name=NAME,
    title="Record a candidate",
    description=(
        "Record a solution as a candidate with its parents, direction, hypothesis, decision and "
        "evidence. It takes ids only: there is no argument for a latency, a speedup or a verdict, "
        "the server copies them from its own runs. Duplicates are refused with the id of the "
        "first. Returns what was verified and what promotion still needs."
    ),
    input_model=RecordCandidateIn,
    output_model=RecordCandidateOut,
    roles=frozenset({Role.WRITER}),
    handler=_handle,
    read_only=False,
    idempotent=False,
)
