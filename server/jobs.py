"""Jobs: work that may outlast the call that asked for it.

A job is detached from its request: a client that disconnects does not cancel it, and the result
waits under its id. What the ledger has queued but not finished when a server starts was lost, and
is said to be lost.
"""

from __future__ import annotations

import asyncio
import contextlib
import contextvars
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from typing import Literal

from pydantic import BaseModel

from sandbox.errors import AssayError
from server.journal import Journal, Origin, new_id
from server.principals import Principal

JobState = Literal["queued", "running", "done", "failed", "lost"]
Work = Callable[[Callable[[float, str], None]], Awaitable[BaseModel]]

KEPT = 1000
"""Finished jobs whose results stay in memory; their figures are in the ledger for good."""


@dataclass
class Job:
    """One unit of work and where it stands."""

    job_id: str
    owner: str
    tool: str
    state: JobState = "queued"
    fraction: float = 0.0
    doing: str = "queued"
    result: BaseModel | None = None
    error: AssayError | None = None
    ended: asyncio.Event = field(default_factory=asyncio.Event)
    changed: asyncio.Event = field(default_factory=asyncio.Event)


class Jobs:
    """The jobs of one server process."""

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._jobs: dict[str, Job] = {}
        self._tasks: set[asyncio.Task[None]] = set()

    async def recover(self) -> int:
        """Mark what an earlier server left unfinished as lost; return how many."""
        unfinished = [job for job in self._journal.history.jobs.values() if job.state == "queued"]
        for job in unfinished:
            origin = Origin(actor=job.owner, role="server", tool=job.tool)
            await self._journal.record("job.lost", origin, {"job_id": job.job_id})
        return len(unfinished)

    async def start(self, principal: Principal, origin: Origin, work: Work) -> Job:
        """Queue work and return its job at once. The queueing is durable first."""
        job = Job(new_id("job"), principal.name, origin.tool)
        await self._journal.record("job.queued", origin, {"job_id": job.job_id})
        self._jobs[job.job_id] = job
        self._forget_old()
        # A fresh context: the request's token must not live on in the job.
        task = asyncio.get_running_loop().create_task(
            self._run(job, origin, work), context=contextvars.Context()
        )
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)
        return job

    async def _run(self, job: Job, origin: Origin, work: Work) -> None:
        loop = asyncio.get_running_loop()

        def progress(fraction: float, doing: str) -> None:
            loop.call_soon_threadsafe(self._advance, job, fraction, doing)

        job.state = "running"
        try:
            job.result = await work(progress)
            job.state = "done"
        except AssayError as error:
            job.error = error
            job.state = "failed"
        except asyncio.CancelledError:
            job.error = AssayError("job_cancelled", "The server is stopping.", "Start it again.")
            job.state = "failed"
        finally:
            if job.state == "running":  # a defect of ours: say so, keep the trace in the log
                job.error = AssayError(
                    "internal_error", f"Job {job.job_id} failed inside the server.", ""
                )
                job.state = "failed"
            try:
                await self._journal.record(
                    "job.finished", origin, {"job_id": job.job_id, "state": job.state}
                )
            finally:
                job.changed.set()
                job.ended.set()

    @staticmethod
    def _advance(job: Job, fraction: float, doing: str) -> None:
        job.fraction, job.doing = fraction, doing
        job.changed.set()
        job.changed = asyncio.Event()

    async def wait(
        self, job: Job, timeout_s: float, progress: Callable[[float, str], Awaitable[None]]
    ) -> bool:
        """Wait for a job to end, passing progress on; return whether it ended."""
        deadline = asyncio.get_running_loop().time() + timeout_s
        while not job.ended.is_set():
            left = deadline - asyncio.get_running_loop().time()
            if left <= 0:
                return False
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(job.changed.wait(), min(left, 5.0))
            await progress(job.fraction, job.doing)
        return True

    def get(self, principal: Principal, job_id: str) -> Job:
        """A principal's own job. For anybody else's the answer is the same as for none."""
        job = self._jobs.get(job_id)
        if job is not None and job.owner == principal.name:
            return job
        known = self._journal.history.jobs.get(job_id)
        if known is not None and known.owner == principal.name:
            raise AssayError(
                "job_gone",
                f"Job {job_id} is {known.state}; its result is no longer in memory.",
                "A finished run is in get_campaign and get_run; a lost one must be started again.",
            )
        raise AssayError(
            "unknown_job",
            f"There is no job {job_id[:80]!r} of yours.",
            "Job ids come from run_bench, compile_kernel and profile_ncu.",
        )

    async def close(self) -> None:
        """Cancel what still runs and wait for it to be written down."""
        for task in list(self._tasks):
            task.cancel()
        if self._tasks:
            await asyncio.gather(*self._tasks, return_exceptions=True)

    def _forget_old(self) -> None:
        ended = [job_id for job_id, job in self._jobs.items() if job.ended.is_set()]
        for job_id in ended[: max(0, len(ended) - KEPT)]:
            del self._jobs[job_id]
