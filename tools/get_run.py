"""get_run: the record of one measurement."""

from __future__ import annotations

from pydantic import Field

from server import access
from server.journal import require
from server.principals import Role
from server.records import RunRecord
from server.tooling import Call, Tool
from tools.models import In, Out
from tools.run_bench import summarise

NAME = "get_run"


class GetRunIn(In):
    run_id: str = Field(description="From run_bench, get_campaign or get_candidate.")


class GetRunOut(Out):
    run: RunRecord
    by: str = Field(description="The principal that asked for it.")
    finished: str = Field(description="When, UTC.")
    ledger_seq: int = Field(description="Where the ledger says so.")
    summary: str


async def _handle(call: Call, args: GetRunIn) -> GetRunOut:
    history = call.services.journal.history
    visible = access.may_see_run(call.principal, args.run_id, history)
    fact = require(history.runs[args.run_id] if visible else None, "run", args.run_id)
    return GetRunOut(
        run=fact.record,
        by=fact.actor,
        finished=fact.ts,
        ledger_seq=fact.seq,
        summary=summarise(fact.record),
    )


TOOL = Tool(
    name=NAME,
    title="Read a run",
    description=(
        "One finished run: verdicts, latency, baseline and speedup per workload, integrity and "
        "sandbox level. Its raw samples, seeds and environment are in get_artifact(artifact_id)."
    ),
    input_model=GetRunIn,
    output_model=GetRunOut,
    roles=frozenset(Role),
    handler=_handle,
    read_only=True,
)
