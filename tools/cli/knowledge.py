"""assay wiki: the twins of search_wiki and read_page, and the index and its sources."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.markup import escape
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn

from server.knowledge import build_wiki, catalogue
from server.scratch import wiki_client
from server.settings import load_settings
from server.state import State
from tools.cli.output import JsonOption, StateOption, err, out, print_json, reports_errors, table
from wiki_index.models import SearchAnswer
from wiki_index.worker import WikiClient

wiki = typer.Typer(help="The knowledge pages: search, sources, index.", no_args_is_help=True)

Filter = Annotated[str | None, typer.Option(show_default=False)]


@wiki.command("search")
@reports_errors
def wiki_search(
    query: str,
    k: Annotated[int, typer.Option("-k", min=1, max=50, help="How many pages.")] = 8,
    type: Filter = None,
    architecture: Filter = None,
    technique: Filter = None,
    kernel_type: Filter = None,
    language: Filter = None,
    repository: Filter = None,
    symptom: Filter = None,
    since: Annotated[str | None, typer.Option(help="YYYY-MM-DD.", show_default=False)] = None,
    expand: Annotated[bool, typer.Option(help="Follow links to techniques and evidence.")] = False,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Search the pages."""
    with _client(state) as client:
        answer = client.search(
            query,
            k=k,
            expand="graph" if expand else None,
            type=type,
            architecture=architecture,
            technique=technique,
            kernel_type=kernel_type,
            language=language,
            repository=repository,
            symptom=symptom,
            since=since,
        )
    if json_output:
        print_json(answer if expand else list(answer.hits))
        return
    _show(answer)


@wiki.command("read")
@reports_errors
def wiki_read(
    page_id: str,
    section: Annotated[str | None, typer.Option(help="A heading of the page.")] = None,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Print a page, or one of its sections."""
    with _client(state) as client:
        page = client.read(page_id, section=section, max_chars=40_000)
    if json_output:
        print_json(page)
    else:
        out.print(escape(page.text))


@wiki.command("add")
@reports_errors
def wiki_add(
    kind: Annotated[str, typer.Argument(help="kernelwiki, markdown, checkout, prs, package.")],
    location: Annotated[str, typer.Argument(help="A path, or the name of an installed package.")],
    name: Annotated[str, typer.Option(help="Default: made of the location.")] = "",
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Add a source; `assay wiki build` indexes it."""
    spec = catalogue(_opened(state)).add(kind, location, name)
    print_json(spec) if json_output else out.print(f"Added {spec.name}. Next: assay wiki build")


@wiki.command("list")
@reports_errors
def wiki_list(state: StateOption = None, json_output: JsonOption = False) -> None:
    """List the sources that were added."""
    specs = catalogue(_opened(state)).all()
    if json_output:
        print_json(specs)
    else:
        table("", ("name", "kind", "location"), [(s.name, s.kind, s.location) for s in specs])


@wiki.command("remove")
@reports_errors
def wiki_remove(name: str, state: StateOption = None, json_output: JsonOption = False) -> None:
    """Remove a source; its pages leave with the next build."""
    spec = catalogue(_opened(state)).remove(name)
    print_json(spec) if json_output else out.print(f"Removed {spec.name}. Next: assay wiki build")


@wiki.command("build")
@reports_errors
def wiki_build(state: StateOption = None, json_output: JsonOption = False) -> None:
    """Index all sources; only pages that changed are indexed again."""
    settings = load_settings(state)
    opened = _opened(state)
    with _progress() as bar:
        task = bar.add_task("reading", total=None)
        report = build_wiki(
            opened,
            settings.wiki_deny,
            lambda doing, done, total: bar.update(
                task, description=doing, completed=done, total=total or None
            ),
        )
    if json_output:
        print_json(report)
        return
    out.print(
        f"{report.pages} pages, {report.sections} passages; {report.changed} changed, "
        f"{report.removed} removed, {report.withheld} withheld; {report.seconds} s."
    )
    if report.skipped:
        shown = [(problem.path, problem.reason) for problem in report.problems]
        table(f"{report.skipped} files were skipped; the first:", ("file", "reason"), shown)


@wiki.command("stats")
@reports_errors
def wiki_stats(state: StateOption = None, json_output: JsonOption = False) -> None:
    """Say what the index holds, and which versions of it are kept."""
    with WikiClient(_opened(state).wiki) as client:
        stats = client.stats()
    if json_output:
        print_json(stats)
        return
    out.print(
        f"{stats.pages} pages, {stats.passages} passages, {stats.size_bytes >> 20} MiB on disk"
    )
    table("", ("type", "pages"), list(stats.by_type.items()))
    table("", ("origin", "pages"), list(stats.by_origin.items()))
    table(
        "",
        ("version", "current", "pages", "passages", "made by"),
        [
            (v.version, "yes" if v.current else "", v.pages, v.passages, v.model)
            for v in stats.versions
        ],
    )


@wiki.command("rollback")
@reports_errors
def wiki_rollback(
    version: Annotated[str | None, typer.Argument(help="Default: the one before.")] = None,
    state: StateOption = None,
    json_output: JsonOption = False,
) -> None:
    """Search an earlier version of the index again."""
    with WikiClient(_opened(state).wiki) as client:
        found = client.rollback(version)
    print_json(found) if json_output else out.print(f"Now {found.version}: {found.pages} pages.")


def _show(answer: SearchAnswer) -> None:
    if answer.hits:
        table(
            "",
            ("page", "heading", "score", "snippet"),
            [(h.page_id, h.heading, f"{h.score:.2f}", h.snippet[:160]) for h in answer.hits],
        )
    for hit in answer.hits:
        for conflict in hit.conflicts:
            err.print(
                escape(
                    f"{hit.page_id} gives {conflict.here} for {conflict.quantity}; "
                    f"{conflict.other_page} gives {conflict.there}."
                )
            )
    for trail in answer.trails:
        rows = [trail.pattern] if trail.pattern else []
        table(
            "Trail",
            ("page", "type", "via", "title"),
            [
                (p.page_id, p.type, p.via, p.title)
                for p in (*rows, *trail.techniques, *trail.evidence)
            ],
        )
    if answer.note:
        err.print(escape(answer.note))


def _opened(state: StateOption) -> State:
    opened = State(load_settings(state).state)
    opened.require()
    return opened


@contextmanager
def _progress() -> Iterator[Progress]:
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TimeElapsedColumn(),
    )
    with Progress(*columns, console=err, transient=True) as bar:
        yield bar


def _client(state: StateOption) -> WikiClient:
    """The index of the state directory, or one for this command before `assay init`."""
    return wiki_client(load_settings(state))
