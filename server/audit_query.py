"""Questions to the ledger in SQL, for auditors and (about their campaigns) verifiers."""

from __future__ import annotations

import asyncio
from pathlib import Path

from server.journal import History
from server.ledger.query import QueryResult, run_query
from server.principals import Principal, Role


class AuditQuery:
    """Runs untrusted SELECTs over a copy of the events, in a process of its own."""

    def __init__(self, root: Path, history: History) -> None:
        self._root = root
        self._history = history

    async def run(self, who: Principal, sql: str, max_rows: int) -> QueryResult:
        campaigns = None if who.role is Role.AUDITOR else self._campaigns_of(who)
        return await asyncio.to_thread(
            run_query, self._root, sql, actor_campaigns=campaigns, max_rows=max_rows
        )

    def _campaigns_of(self, who: Principal) -> list[str]:
        """The campaigns that a verifier has taken part in, by running or reviewing."""
        ran = {f.record.campaign for f in self._history.runs.values() if f.actor == who.name}
        reviewed = {
            fact.record.campaign
            for facts in self._history.reviews.values()
            for fact in facts
            if fact.actor == who.name
        }
        return sorted(ran | reviewed)
