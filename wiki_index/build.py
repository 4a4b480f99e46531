"""Building: from sources to the store, and from the store to a snapshot.

Only pages that changed, or that were indexed by other rules, are cut, tokenised and embedded again; a
passage whose text was embedded before keeps its vector. The arrays of the snapshot are packed anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Collection, Iterable, Iterator, Sequence
from pathlib import Path

import numpy as np

from sandbox.errors import AssayError
from wiki_index import denial, precomputed
from wiki_index.embedding import MODEL, WIDTH, Embedder
from wiki_index.models import Problem
from wiki_index.page import Page
from wiki_index.sources import Skipped, SourceSpec, read_source
from wiki_index.store import Prepared, Store
from wiki_index.tokens import tokens
from wiki_index.vocabulary import vocabulary, vocabulary_sha256

Progress = Callable[[str, int, int], None]
"""What is being done, how many are done, of how many."""

RULES = 3
"""Of tokens, cutting and what a row holds; with another number every page is indexed again."""

BATCH = 200
"""Pages that are written at once. Their passages are embedded together, short ones with short."""


class Collected:
    """What the sources hold, after the deny-list."""

    def __init__(self) -> None:
        self.pages: dict[str, Page] = {}
        self.withheld: set[str] = set()
        self.withheld_urls: set[str] = set()
        self.skipped: list[Problem] = []


def collect(
    sources: Sequence[SourceSpec | Path], deny: Sequence[str], on_progress: Progress
) -> Collected:
    """Read all sources.

    Raises:
        AssayError: `missing_source` or `unknown_source_kind`; `invalid_page` or `duplicate_page` for
            the project's own pages.
    """
    found = Collected()
    for spec in sources:
        strict = isinstance(spec, Path) or spec.kind == "pages"
        for item in read_source(spec):
            if isinstance(item, Skipped):
                found.skipped.append(Problem(path=item.path, reason=item.reason))
            elif denied(item, deny):
                found.withheld.add(item.id)
                found.withheld_urls.update(item.own_url)
            elif (other := found.pages.get(item.id)) is None:
                found.pages[item.id] = item
            else:
                reason = f"its id {item.id} is taken by {other.path}"
                if strict:
                    raise AssayError("duplicate_page", f"{item.path}: {reason}.")
                found.skipped.append(Problem(path=item.path, reason=reason))
            if len(found.pages) % 200 == 0:
                on_progress("reading", len(found.pages), 0)
    return found


def denied(page: Page, patterns: Sequence[str]) -> bool:
    """Whether a page, its source or its repository is on the deny-list."""
    urls = (source.url for source in page.sources)
    return denial.matches((page.id, page.path, page.origin, page.repository, *urls), patterns)


def rules() -> str:
    """What an index was made by: model, token rules, vocabulary."""
    return f"{MODEL}+tokens{RULES}+vocabulary-{vocabulary_sha256()[:8]}"


def digest(page: Page) -> str:
    """Of a page and of the rules that it was indexed by."""
    return hashlib.sha256(f"{rules()}\0{page.sha256}".encode()).hexdigest()


def update(
    store: Store, pages: dict[str, Page], embedder: Embedder, on_progress: Progress
) -> tuple[int, int]:
    """Bring the store up to date. Returns how many pages changed and how many went."""
    held = store.digests()
    digests = {page_id: digest(page) for page_id, page in pages.items()}
    changed = [page_id for page_id, value in digests.items() if held.get(page_id) != value]
    gone = sorted(held.keys() - digests.keys())
    known = precomputed.vectors() if changed else {}
    if held and changed:
        known.update(store.vectors())
    store.remove(gone)
    done = 0
    for batch in _batches(changed, BATCH):
        prepared = prepare([pages[page_id] for page_id in batch], digests, known, embedder)
        store.add(prepared, replace=bool(held))
        done += len(batch)
        on_progress("indexing", done, len(changed))
    if changed or gone:
        store.compact()
    return len(changed), len(gone)


def gloss_vectors(embedder: Embedder) -> np.ndarray:
    """The vectors of the vocabulary's descriptions."""
    plain = vocabulary().descriptions
    known = precomputed.vectors()
    if all(key(text) in known for text in plain):
        return np.array([known[key(text)] for text in plain])
    return embedder.all(plain)


def key(text: str) -> str:
    """Under which a text's vector is kept."""
    return hashlib.sha256(text.encode()).hexdigest()[:32]


def embedded_texts(page: Page) -> dict[str, str]:
    """What is embedded of a page, by key.

    Nothing of code: identifiers are found by their letters, not by meaning. Of a report only the
    start, which says what it is about; lists of files follow. That loses nothing (docs/wiki.md).
    """
    most = {"code": 0, "report": 1}.get(page.standing)
    return {key(text): text for text in _shown(page)[:most]}


def _shown(page: Page) -> list[str]:
    return [f"{page.title}. {piece.heading}: {piece.text}" for piece in page.passages()]


def prepare(
    pages: Sequence[Page], digests: dict[str, str], known: dict[str, np.ndarray], embedder: Embedder
) -> list[Prepared]:
    """Cut, tokenise and embed pages. What is embedded is added to `known`."""
    meant = {page.id: embedded_texts(page) for page in pages}
    missing = {
        name: text for texts in meant.values() for name, text in texts.items() if name not in known
    }
    if missing:
        known.update(zip(missing, embedder.all(list(missing.values())), strict=True))
    return [_prepared(page, digests[page.id], meant[page.id].keys(), known) for page in pages]


def _prepared(
    page: Page, digest: str, meant: Collection[str], known: dict[str, np.ndarray]
) -> Prepared:
    pieces, keys = page.passages(), tuple(map(key, _shown(page)))
    nothing = np.zeros(WIDTH, np.float32)
    return Prepared(
        page=page,
        digest=digest,
        head=annotated(_head(page)),
        passages=pieces,
        tokens=tuple(annotated(f"{piece.heading} {piece.text}") for piece in pieces),
        keys=keys,
        vectors=np.array([known[name] if name in meant else nothing for name in keys]),
    )


def annotated(text: str) -> str:
    """The tokens of a text and of the concepts that it names."""
    words = tokens(text)
    return " ".join((*words, *vocabulary().named(words)))


def _head(page: Page) -> str:
    lists: Iterable[tuple[str, ...]] = (
        page.tags,
        page.aliases,
        page.symptoms,
        page.kernel_types,
        page.techniques,
    )
    return " ".join((page.title, page.id, *(item for items in lists for item in items)))


def _batches(items: Sequence[str], size: int) -> Iterator[Sequence[str]]:
    for start in range(0, len(items), size):
        yield items[start : start + size]
