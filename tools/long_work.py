"""Long work behind a short call: wait a while, then hand out a job.

Clients give up on silent calls (one after 300 s, another after 60 s without a first byte), so a call
returns within `call_wait_s` with the result or with a job handle for `job_status`.
"""

from __future__ import annotations

from pydantic import BaseModel

from server.jobs import Job, Work
from server.journal import Origin
from server.tooling import Call


def origin(call: Call, tool: str) -> Origin:
    """On whose behalf a tool writes events."""
    return Origin(
        actor=call.principal.name,
        role=call.principal.role,
        request=call.request_id,
        tool=tool,
    )


async def start_and_wait(call: Call, tool: str, work: Work) -> tuple[Job, BaseModel | None]:
    """Run work as a job; return it with its result if it ended in time.

    Raises:
        AssayError: what the work itself raised, if it failed within the wait.
    """
    jobs = call.services.jobs
    job = await jobs.start(call.principal, origin(call, tool), work)
    await jobs.wait(job, call.services.settings.call_wait_s, call.progress)
    if job.error is not None:
        raise job.error
    return job, job.result
