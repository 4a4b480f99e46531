"""Profiles as a service: read a report artifact and say what it shows."""

from __future__ import annotations

import asyncio

from pydantic import BaseModel, ConfigDict

from ncu.reader import read_report
from ncu.report import ReportSummary
from sandbox.box import Sandbox
from sandbox.errors import AssayError
from server import access
from server.artifacts import ArtifactStore
from server.journal import Journal, Origin, new_id
from server.principals import Principal
from server.records import ProfileRecord
from server.report_reading import sandboxed


class ProfileOutcome(BaseModel):
    """A report that was read."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    profile: ProfileRecord
    report: ReportSummary


class Profiling:
    """Reads Nsight Compute reports."""

    def __init__(self, *, journal: Journal, artifacts: ArtifactStore, sandbox: Sandbox) -> None:
        self._journal = journal
        self._artifacts = artifacts
        self._run = sandboxed(sandbox)

    async def read(
        self,
        who: Principal,
        artifact_id: str,
        origin: Origin,
        metrics: str = "",
        solution_id: str | None = None,
    ) -> ProfileOutcome:
        """Read a stored report; metrics whose names contain `metrics` are kept as well.

        Args:
            solution_id: whose report it is, if this server captured it.

        Raises:
            AssayError: `unknown_artifact`, or what is wrong with the report or its reader.
        """
        history = self._journal.history
        if not access.may_see_artifact(who, artifact_id, history):
            raise AssayError(
                "unknown_artifact",
                f"There is no artifact {artifact_id[:80]!r} that you can see.",
                "An operator adds a report with: assay artifact add FILE.ncu-rep",
            )
        path = await asyncio.to_thread(self._artifacts.path, artifact_id)
        report = await asyncio.to_thread(read_report, path, metrics=metrics, run=self._run)
        slowest = max(report.kernels, key=lambda kernel: kernel.duration_us or 0.0, default=None)
        headline = (
            "no kernels"
            if slowest is None
            else f"{len(report.kernels)} kernels, longest: {slowest.name}"
        )
        record = ProfileRecord(
            profile_id=new_id("prof"),
            artifact_id=artifact_id,
            solution_id=solution_id,
            kernels=len(report.kernels),
            headline=headline,
        )
        await self._journal.record("profile.read", origin, record)
        return ProfileOutcome(profile=record, report=report)
