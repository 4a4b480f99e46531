"""Setting up a state directory, and the few changes that an operator makes to one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from sandbox.errors import AssayError
from server.journal import OPERATOR, Journal
from server.ledger.checkpoint import create_key
from server.ledger.writer import Ledger
from server.principals import PrincipalRecord, Principals, Role
from server.problems import Problems
from server.settings import Settings
from server.state import ORIGIN, State
from wiki_index.worker import WikiClient

REPOSITORY = Path(__file__).resolve().parent.parent
PROBLEMS = REPOSITORY / "kernels"
PAGES = REPOSITORY / "wiki_index" / "pages"
REPORTS = PROBLEMS / "reports"


@dataclass(frozen=True)
class Initialised:
    """What `assay init` made."""

    ledger_vkey: str
    problems: tuple[str, ...]
    wiki_pages: int
    principals: list[tuple[PrincipalRecord, str]]


def shipped_problems() -> list[Path]:
    """The problem directories that come with the project."""
    return sorted(file.parent for file in PROBLEMS.glob("*/definition.json"))


def initialise(
    settings: Settings, principals: Sequence[tuple[str, Role]], lifetime: timedelta
) -> Initialised:
    """Create a state directory.

    Raises:
        AssayError: `already_initialised`, or what is wrong with a principal or a problem.
    """
    state = State(settings.state)
    if state.initialised:
        raise AssayError(
            "already_initialised",
            f"{state.root} is already a state directory.",
            "Add principals with `assay principal add`, or choose another --state.",
        )
    state.create()
    vkey = create_key(state.ledger_key, ORIGIN)
    state.ledger_vkey.write_text(vkey + "\n", "utf-8")
    made = Principals(state.principals)
    tokens = [made.add(name, role, lifetime) for name, role in principals]
    ledger = Ledger.open(state.ledger, ORIGIN, state.ledger_key)
    try:
        journal = Journal(ledger)
        registry = Problems(state.problems, journal)
        names = tuple(registry.register(source).name for source in shipped_problems())
        for record, _ in tokens:
            journal.append("principal.added", OPERATOR, _public(record))
    finally:
        ledger.close()
    with WikiClient(state.wiki) as wiki:
        pages = wiki.build([PAGES], deny=settings.wiki_deny).pages
    return Initialised(vkey, names, pages, tokens)


def principals_of(settings: Settings) -> Principals:
    """The principals of an initialised state directory."""
    state = State(settings.state)
    state.require()
    return Principals(state.principals)


def record_principal(settings: Settings, kind: str, record: PrincipalRecord) -> None:
    """Write a change of principals into the ledger.

    While a server runs it holds the ledger, notices the change itself and records it then.
    """
    state = State(settings.state)
    try:
        ledger = Ledger.open(state.ledger, ORIGIN, state.ledger_key)
    except AssayError as error:
        if error.code == "ledger_locked":
            return
        raise
    try:
        ledger.append(kind, actor=OPERATOR.actor, role=OPERATOR.role, data=_public(record))
    finally:
        ledger.close()


def _public(record: PrincipalRecord) -> dict[str, object]:
    return record.model_dump(mode="json", exclude={"token_sha256"})
