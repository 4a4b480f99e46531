"""Services for one command: on the state directory if it is free, else on a throw-away one.

`assay compile` and `assay bench` must work before anything was set up, and beside a running server,
which holds the ledger. Then they work in a temporary state directory, say so, and record nothing.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import AssayError
from server.ledger.checkpoint import create_key
from server.principals import Principal, Role
from server.services import Services, open_services
from server.settings import Settings
from server.setup import PAGES, PROBLEMS
from server.state import ORIGIN, State
from wiki_index.worker import WikiClient

OPERATOR_PRINCIPAL = Principal("operator", Role.WRITER)
"""The operator works with a writer's rights; events name it `operator`."""


@dataclass(frozen=True)
class Bench:
    """Services and where their results go."""

    services: Services
    recorded: bool
    note: str


@contextmanager
def command_services(settings: Settings) -> Iterator[Bench]:
    """Open services for one command."""
    state = State(settings.state)
    note = f"{state.root} is not initialised"
    if state.initialised:
        try:
            with open_services(settings) as services:
                yield Bench(services, True, f"recorded in {state.root}")
                return
        except AssayError as error:
            if error.code != "ledger_locked":
                raise
            note = "a running server holds the ledger"
    with tempfile.TemporaryDirectory(prefix="assay-") as directory:
        scratch = State(Path(directory))
        scratch.create()
        scratch.ledger_vkey.write_text(create_key(scratch.ledger_key, ORIGIN) + "\n", "utf-8")
        moved = settings.model_copy(update={"state": scratch.root})
        with open_services(moved) as services:
            yield Bench(services, False, f"not recorded: {note}")


def problem_source(settings: Settings, name: str) -> Path:
    """Where a problem's files are: a directory, a pinned problem, or one that is shipped."""
    pinned = State(settings.state).problems / name
    for candidate in (pinned, PROBLEMS / name, Path(name)):
        if (candidate / "definition.json").is_file():
            return candidate
    shipped = sorted(path.parent.name for path in PROBLEMS.glob("*/definition.json"))
    raise AssayError(
        "unknown_problem",
        f"There is no problem {name!r}.",
        f"Shipped: {', '.join(shipped)}. Pin your own with `assay problem add`.",
    )


def wiki_client(settings: Settings) -> WikiClient:
    """The wiki of a state directory; before `assay init`, one built for this command alone."""
    state = State(settings.state)
    if state.initialised:
        return WikiClient(state.wiki, deny=settings.wiki_deny)
    directory = tempfile.TemporaryDirectory(prefix="assay-wiki-")
    client = WikiClient(Path(directory.name), on_close=directory.cleanup)
    client.build([PAGES], deny=settings.wiki_deny)
    return client
