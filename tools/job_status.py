"""job_status: wait for work that outlasted its call."""

from __future__ import annotations

from typing import Any

from pydantic import Field

from server.principals import Role
from server.tooling import Call, Tool
from tools.models import In, JobHandle, Out, handle

NAME = "job_status"


class JobStatusIn(In):
    job_id: str = Field(description="From run_bench, compile_kernel or profile_ncu.")
    wait_s: float = Field(
        default=30.0, ge=0.0, le=45.0, description="Wait up to this long for it to end; 0 to 45."
    )


class JobStatusOut(Out):
    job: JobHandle
    tool: str
    result: dict[str, Any] | None = Field(default=None, description="The result, once done.")


async def _handle(call: Call, args: JobStatusIn) -> JobStatusOut:
    job = call.services.jobs.get(call.principal, args.job_id)
    await call.services.jobs.wait(job, args.wait_s, call.progress)
    if job.error is not None:
        raise job.error
    result = job.result.model_dump(mode="json") if job.result is not None else None
    return JobStatusOut(job=handle(job), tool=job.tool, result=result)


TOOL = Tool(
    name=NAME,
    title="Wait for a job",
    description=(
        "Wait for a job of yours to end and return its result. Long-polls: call it again while "
        "state is queued or running. Jobs survive a disconnect; after a server restart an "
        "unfinished one is reported as lost and must be started again."
    ),
    input_model=JobStatusIn,
    output_model=JobStatusOut,
    roles=frozenset(Role),
    handler=_handle,
    read_only=True,
)
