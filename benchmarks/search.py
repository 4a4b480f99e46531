"""How good and how fast the search is, against simpler rankings, on pages with graded queries.

    python benchmarks/search.py                                        the shipped pages and queries
    python benchmarks/search.py --kind kernelwiki --corpus DIR --queries FILE --sizes 30000 100000

Quality is nDCG@10 (linear gain), recall@5 and MRR, with 95 % intervals from resampling queries, and
paired differences. A line of the query file is {"kind", "query", "relevant": {path or id: grade}}.
Cross-validation chooses weights on four fifths of the queries and measures on the rest.
"""

from __future__ import annotations

import argparse
import itertools
import sys
import tempfile
import time
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from rich.console import Console
from rich.table import Table

ROOT = Path(__file__).resolve().parents[1]
sys.path.insert(0, str(ROOT))

from benchmarks.searching.metrics import (  # noqa: E402
    Query,
    interval,
    load_queries,
    ndcg,
    recall,
    reciprocal_rank,
)
from benchmarks.searching.rankers import STEPS, Ranking, Rankings  # noqa: E402
from benchmarks.searching.scale import Size, grown, measure  # noqa: E402
from wiki_index.index import WikiIndex  # noqa: E402
from wiki_index.page import Page  # noqa: E402
from wiki_index.snapshot import Snapshot  # noqa: E402
from wiki_index.sources import SourceSpec, read_source  # noqa: E402
from wiki_index.store import Store  # noqa: E402

QUERIES = Path(__file__).parent / "queries"
OFF_TOPIC = QUERIES / "off_topic.txt"
GRID = {
    "meaning_first": (0.0, 0.3, 0.5, 0.8),
    "meaning": (0.2, 0.4),
    "described": (0.5, 1.0),
    "feedback": (0.15, 0.3),
    "curated": (1.0, 1.2, 1.4),
}
FOLDS = 5
REPEATS = 20
console = Console(width=150)


def rankings(
    rank: Ranking, queries: Sequence[Query], names: Sequence[tuple[str, str]]
) -> list[list[str]]:
    """Each query's pages, by the name that its judgements use."""
    return [
        [
            next((n for n in names[row] if n in query.relevant), names[row][0])
            for row in rank(query.text)
        ]
        for query in queries
    ]


def scores(rank: Ranking, queries: Sequence[Query], names: Sequence[tuple[str, str]]) -> np.ndarray:
    """nDCG@10 of each query."""
    ranked = rankings(rank, queries, names)
    return np.array([ndcg(r, q.relevant) for r, q in zip(ranked, queries, strict=True)])


def quality(parts: Rankings, queries: Sequence[Query], names: Sequence[tuple[str, str]]) -> None:
    """The table of rankings, and what each step is worth."""
    kinds = sorted({query.kind for query in queries})
    of_kind = {kind: np.array([q.kind == kind for q in queries]) for kind in kinds}
    table = Table("ranking", "nDCG@10", "95 %", "recall@5", "MRR", *kinds, title="Quality")
    found: dict[str, np.ndarray] = {}
    for name, rank in parts.all().items():
        ranked = rankings(rank, queries, names)
        pairs = list(zip(ranked, queries, strict=True))
        found[name] = np.array([ndcg(r, q.relevant) for r, q in pairs])
        low, high = interval(found[name])
        table.add_row(
            name,
            f"{found[name].mean():.3f}",
            f"{low:.3f} – {high:.3f}",
            f"{np.mean([recall(r, q.relevant) for r, q in pairs]):.3f}",
            f"{np.mean([reciprocal_rank(r, q.relevant) for r, q in pairs]):.3f}",
            *(f"{found[name][of_kind[kind]].mean():.3f}" for kind in kinds),
        )
    console.print(table)
    differences = Table("shipped minus", "nDCG@10", "95 %", *kinds, title="Paired differences")
    for name in list(found)[:-1]:
        _difference(differences, name, found["shipped"] - found[name], of_kind)
    differences.add_section()
    for step, changes in STEPS.items():
        without = scores(parts.shipped(**changes), queries, names)
        _difference(differences, f"itself without: {step}", found["shipped"] - without, of_kind)
    for count in (1, 2):
        less = scores(parts.without_likeliest(count), queries, names)
        label = f"itself without the {count} likeliest concepts"
        _difference(differences, label, found["shipped"] - less, of_kind)
    console.print(differences)


def _difference(
    table: Table, name: str, values: np.ndarray, of_kind: dict[str, np.ndarray]
) -> None:
    low, high = interval(values)
    each = (f"{values[mask].mean():+.3f}" for mask in of_kind.values())
    table.add_row(name, f"{values.mean():+.3f}", f"{low:+.3f} – {high:+.3f}", *each)


def cross_validated(
    parts: Rankings, queries: Sequence[Query], names: Sequence[tuple[str, str]]
) -> None:
    """What the weights would score if they were chosen on other queries than they are measured on."""
    settings = [
        dict(zip(GRID, values, strict=True)) for values in itertools.product(*GRID.values())
    ]
    table = np.array([scores(parts.shipped(**chosen), queries, names) for chosen in settings])
    random = np.random.default_rng(0)
    means = []
    for _ in range(REPEATS):
        order = random.permutation(len(queries))
        held_out = np.zeros(len(queries))
        for fold in np.array_split(order, FOLDS):
            train = np.setdiff1d(order, fold)
            held_out[fold] = table[table[:, train].mean(1).argmax(), fold]
        means.append(held_out.mean())
    console.print(
        f"Cross-validation, {FOLDS} folds, {REPEATS} times, {len(settings)} settings: "
        f"{np.mean(means):.3f} (best single setting on all queries {table.mean(1).max():.3f}, "
        f"worst {table.mean(1).min():.3f}, shipped weights "
        f"{scores(parts.shipped(), queries, names).mean():.3f})"
    )


def refusals(index: WikiIndex, queries: Sequence[Query]) -> None:
    """How often nothing is found for a question on another matter, and for one that has an answer."""
    strangers = [line for line in OFF_TOPIC.read_text("utf-8").splitlines() if line.strip()]
    answered = [text for text in strangers if index.search(text).hits]
    missed = [query.text for query in queries if not index.search(query.text).hits]
    console.print(
        f"Off-topic questions that got an answer: {len(answered)} of {len(strangers)}; questions with "
        f"an answer that got none: {len(missed)} of {len(queries)}"
    )
    for text in (*answered, *missed):
        console.print(f"  {text}")


def speed(sizes: Sequence[Size]) -> None:
    """The table of sizes."""
    table = Table(
        *("passages", "p50, ms", "p95, ms", "load, s", "first answer, s"),
        *("memory, MiB", "snapshot, MiB", "packing, s"),
        title="Speed; load and first answer include imports, in a fresh process",
    )
    for size in sizes:
        table.add_row(
            f"{size.passages:,}",
            *(f"{value:.1f}" for value in (size.p50_ms, size.p95_ms)),
            *(f"{value:.2f}" for value in (size.load_s, size.first_answer_s)),
            *(f"{value:.0f}" for value in (size.rss_mib, size.snapshot_mib)),
            f"{size.pack_s:.1f}",
        )
    console.print(table)


def main() -> int:
    """Build an index of the corpus, and measure it."""
    options = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    options.add_argument("--corpus", default=str(ROOT / "wiki_index" / "pages"))
    options.add_argument("--kind", default="pages", help="of the corpus: pages, kernelwiki, …")
    options.add_argument("--queries", type=Path, default=QUERIES / "starter.jsonl")
    options.add_argument("--index", type=Path, help="keep the index here, and use it again")
    options.add_argument("--sizes", type=int, nargs="*", default=[], help="passages to grow to")
    arguments = options.parse_args()
    if not arguments.queries.is_file():
        console.print(f"There are no queries at {arguments.queries}.")
        return 0
    queries = load_queries(arguments.queries)
    spec = SourceSpec(kind=arguments.kind, location=arguments.corpus)
    with tempfile.TemporaryDirectory(prefix="assay-search-") as scratch:
        directory = arguments.index or Path(scratch)
        index = WikiIndex(directory)
        began = time.perf_counter()
        report = index.build([spec])
        cold = time.perf_counter() - began
        began = time.perf_counter()
        index.build([spec])
        console.print(
            f"{report.pages} pages, {report.sections} passages, {report.skipped} skipped; build "
            f"{cold:.1f} s ({report.changed} pages changed), again {time.perf_counter() - began:.1f} s"
        )
        place = directory / report.version
        snapshot = Snapshot(place)
        read = {page.id: page for page in read_source(spec) if isinstance(page, Page)}
        pages = [read[page_id] for page_id in snapshot.page_ids]
        names = [(page.path, page.id) for page in pages]
        parts = Rankings(snapshot, directory / "lance", pages)
        quality(parts, queries, names)
        cross_validated(parts, queries, names)
        refusals(index, queries)
        store = Store(directory / "lance")
        speed(
            [
                measure(place, queries, 0.0),
                *(grown(store, read, wanted, queries) for wanted in arguments.sizes),
            ]
        )
    return 0


if __name__ == "__main__":
    sys.exit(main())
