"""assay wiki: the twins of search_wiki and read_page, and the index."""

from __future__ import annotations

from typing import Annotated

import typer
from rich.markup import escape

from server.settings import load_settings
from server.setup import PAGES
from server.state import State
from tools.cli.output import JsonOption, StateOption, err, out, print_json, reports_errors, table
from wiki_index.worker import WikiClient

wiki = typer.Typer(help="The knowledge pages.", no_args_is_help=True)


@wiki.command("search")
@reports_errors
def wiki_search(
    query: str,
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="How many pages.")] = 8,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Search the pages."""
    with _client(load_settings(state).state) as client:
        answer = client.search(query, k=k)
    if json_output:
        print_json(list(answer.hits))
        return
    table(
        "",
        ("page", "heading", "score", "snippet"),
        [(h.page_id, h.heading, f"{h.score:.2f}", h.snippet[:160]) for h in answer.hits],
    )
    if answer.note:
        err.print(escape(answer.note))


@wiki.command("read")
@reports_errors
def wiki_read(
    page_id: str,
    section: Annotated[str | None, typer.Option(help="A heading of the page.")] = None,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Print a page, or one of its sections."""
    with _client(load_settings(state).state) as client:
        page = client.read(page_id, section=section, max_chars=40_000)
    if json_output:
        print_json(page)
    else:
        out.print(escape(page.text))


@wiki.command("build")
@reports_errors
def wiki_build(state: StateOption = None, json_output: JsonOption = False) -> None:
    """Build the index again; only pages that changed are indexed."""
    settings = load_settings(state)
    opened = State(settings.state)
    opened.require()
    with WikiClient(opened.wiki) as client, err.status("Indexing…"):
        report = client.build([PAGES], deny=settings.wiki_deny)
    print_json(report) if json_output else out.print(f"{report.pages} pages indexed.")


def _client(root: object) -> WikiClient:
    """The index of the state directory, or one in the user's cache before `assay init`."""
    from server.scratch import wiki_client

    return wiki_client(State(root))  # type: ignore[arg-type]
