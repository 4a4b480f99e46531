"""get_candidate: one node of the graph with its evidence, reviews and sources."""

from __future__ import annotations

from pydantic import Field

from server.journal import require
from server.principals import Role
from server.records import RunRecord, Verified
from server.tooling import Call, Tool
from tools.models import In, Out, Untrusted, untrusted

NAME = "get_candidate"
MAX_SOURCE_CHARS = 20_000


class GetCandidateIn(In):
    candidate_id: str = Field(description="From get_campaign.")
    sources: bool = Field(default=False, description="true: include the solution's source files.")


class Review(Out):
    review_id: str
    by: str
    verdict: str
    evidence_sha256: str
    rationale: Untrusted


class Source(Out):
    path: str
    sha256: str
    content: Untrusted
    truncated: bool


class GetCandidateOut(Out):
    candidate_id: str
    campaign: str
    author: str
    recorded: str = Field(description="When, UTC.")
    solution_id: str
    language: str
    parents: list[str]
    children: list[str]
    decision: str
    status: str
    verified: Verified
    missing: list[str]
    direction: Untrusted
    hypothesis: Untrusted
    rationale: Untrusted
    runs: list[RunRecord]
    profile_ids: list[str]
    reviews: list[Review]
    sources: list[Source] = Field(default_factory=list)


async def _handle(call: Call, args: GetCandidateIn) -> GetCandidateOut:
    history = call.services.journal.history
    fact = require(history.candidates.get(args.candidate_id), "candidate", args.candidate_id)
    record = fact.record
    return GetCandidateOut(
        candidate_id=record.candidate_id,
        campaign=record.campaign,
        author=fact.actor,
        recorded=fact.ts,
        solution_id=record.solution_id,
        language=history.solutions[record.solution_id].record.language,
        parents=list(record.parents),
        children=[
            c.record.candidate_id
            for c in history.candidates.values()
            if record.candidate_id in c.record.parents
        ],
        decision=record.decision,
        status=call.services.campaigns.status(record.candidate_id),
        verified=record.verified,
        missing=list(record.missing),
        direction=untrusted(fact.actor, record.direction),
        hypothesis=untrusted(fact.actor, record.hypothesis),
        rationale=untrusted(fact.actor, record.rationale),
        runs=[history.runs[run_id].record for run_id in record.run_ids],
        profile_ids=list(record.profile_ids),
        reviews=[
            Review(
                review_id=review.record.review_id,
                by=review.actor,
                verdict=review.record.verdict,
                evidence_sha256=review.record.evidence_sha256,
                rationale=untrusted(review.actor, review.record.rationale),
            )
            for review in history.reviews.get(record.candidate_id, [])
        ],
        sources=_sources(call, record.solution_id, fact.actor) if args.sources else [],
    )


def _sources(call: Call, solution_id: str, author: str) -> list[Source]:
    solution = call.services.solutions.get(solution_id)
    hashes = {
        file.path: file.sha256
        for file in call.services.journal.history.solutions[solution_id].record.files
    }
    return [
        Source(
            path=source.path,
            sha256=hashes[source.path],
            content=untrusted(author, source.content[:MAX_SOURCE_CHARS]),
            truncated=len(source.content) > MAX_SOURCE_CHARS,
        )
        for source in solution.sources
    ]


TOOL = Tool(
    name=NAME,
    title="Read a candidate",
    description=(
        "One candidate: what the server verified, its runs, profiles, reviews, parents and "
        "children; with sources=true also its source files. Text by its author is marked as "
        "untrusted data."
    ),
    input_model=GetCandidateIn,
    output_model=GetCandidateOut,
    roles=frozenset(Role),
    handler=_handle,
    read_only=True,
)
