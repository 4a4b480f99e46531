"""The services, built once and passed in: what the tools and the command line stand on.

Nothing heavy starts here. The judge, the wiki worker and the sandbox's self-test begin with the
first call that needs them.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass

from sandbox.box import LazySandbox
from sandbox.judge.client import JudgeClient
from server.artifacts import ArtifactStore
from server.audit_query import AuditQuery
from server.benching import Benching
from server.campaigns import Campaigns
from server.capturing import Capturing
from server.compiling import Compiling
from server.jobs import Jobs
from server.journal import OPERATOR, Journal
from server.ledger.writer import Ledger
from server.principals import PrincipalRecord, Principals
from server.problems import Problems
from server.profiling import Profiling
from server.settings import Settings
from server.solutions import SolutionStore
from server.state import ORIGIN, State
from wiki_index.worker import WikiClient


@dataclass(frozen=True)
class Services:
    """Everything a tool may use."""

    settings: Settings
    state: State
    journal: Journal
    principals: Principals
    artifacts: ArtifactStore
    solutions: SolutionStore
    problems: Problems
    compiling: Compiling
    benching: Benching
    profiling: Profiling
    capturing: Capturing
    campaigns: Campaigns
    jobs: Jobs
    wiki: WikiClient
    audit_query: AuditQuery

    @property
    def ledger(self) -> Ledger:
        return self.journal.ledger


@contextmanager
def open_services(settings: Settings) -> Iterator[Services]:
    """Open a state directory for one process; only one can hold its ledger.

    Raises:
        AssayError: `not_initialised`, `state_permissions`, `ledger_locked`, or a broken ledger.
    """
    state = State(settings.state)
    state.require()
    state.create()
    with ExitStack() as stack:
        ledger = Ledger.open(state.ledger, ORIGIN, state.ledger_key)
        stack.callback(ledger.close)
        journal = Journal(ledger)
        artifacts = ArtifactStore(state.artifacts, settings.max_artifact_bytes)
        solutions = SolutionStore(state.solutions)
        problems = Problems(state.problems, journal)
        sandbox = LazySandbox(state.work)
        stack.callback(sandbox.close)
        compiling = Compiling(
            journal=journal,
            problems=problems,
            solutions=solutions,
            artifacts=artifacts,
            sandbox=sandbox,
            cache=state.compile_cache,
            slots=settings.compile_slots,
            timeout_s=settings.compile_timeout_s,
        )
        judge = JudgeClient(state.work)
        stack.callback(judge.close)
        wiki = stack.enter_context(WikiClient(state.wiki, deny=settings.wiki_deny))
        yield Services(
            settings=settings,
            state=state,
            journal=journal,
            principals=Principals(state.principals, on_change=_note_changes(journal)),
            artifacts=artifacts,
            solutions=solutions,
            problems=problems,
            compiling=compiling,
            benching=Benching(
                journal=journal,
                problems=problems,
                solutions=solutions,
                artifacts=artifacts,
                compiling=compiling,
                judge=judge,
                timeout_s=settings.bench_timeout_s,
            ),
            profiling=Profiling(journal=journal, artifacts=artifacts, sandbox=sandbox),
            capturing=Capturing(
                journal=journal,
                artifacts=artifacts,
                compiling=compiling,
                sandbox=sandbox,
                timeout_s=settings.capture_timeout_s,
            ),
            campaigns=Campaigns(journal),
            jobs=Jobs(journal),
            wiki=wiki,
            audit_query=AuditQuery(state.ledger, journal.history),
        )


def _note_changes(journal: Journal) -> Callable[[str, PrincipalRecord], None]:
    """Record what an operator changes in the token file while this process holds the ledger."""

    def note(kind: str, record: PrincipalRecord) -> None:
        journal.append(kind, OPERATOR, record.model_dump(mode="json", exclude={"token_sha256"}))

    return note
