"""Vectors of the shipped pages and of the vocabulary, computed beforehand.

So a first index takes a second and not the model's half minute. A text that is not in the file is
embedded as usual: the file can be old, but never wrong, because a vector is found by the digest of
its text. `python -m wiki_index.precomputed` writes it anew after pages were changed.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from wiki_index.embedding import MODEL, Embedder
from wiki_index.page import Page, markdown_files, read_page
from wiki_index.vocabulary import vocabulary

FILE = Path(__file__).parent / "data" / "vectors.npz"
PAGES = Path(__file__).parent / "pages"


def vectors() -> dict[str, np.ndarray]:
    """What is in the file, by the digests of the texts."""
    if not FILE.is_file():
        return {}
    with np.load(FILE) as held:
        if str(held["model"]) != MODEL:
            return {}
        return dict(zip(held["keys"].tolist(), held["vectors"].astype(np.float32), strict=True))


def texts() -> dict[str, str]:
    """The texts that the file should hold, by digest."""
    from wiki_index.build import embedded_texts, key

    found: dict[str, str] = {key(text): text for text in vocabulary().descriptions}
    for page in _pages():
        found.update(embedded_texts(page))
    return found


def _pages() -> Iterator[Page]:
    for path in markdown_files(PAGES):
        yield read_page(path, PAGES)


def main() -> int:
    """Write the file; with `--check`, only say how many texts it lacks."""
    wanted, held = texts(), vectors()
    missing = [name for name in wanted if name not in held]
    if "--check" in sys.argv[1:]:
        print(f"{len(missing)} of {len(wanted)} texts have no vector in {FILE.name}")
        return 1 if missing else 0
    new = Embedder().all([wanted[name] for name in missing])
    held.update(zip(missing, new, strict=True))
    names = sorted(wanted)
    kept = np.array([held[name] for name in names], np.float16)
    np.savez(FILE, model=np.array(MODEL), keys=np.array(names), vectors=kept)
    print(f"{len(names)} vectors, {len(missing)} of them new")
    return 0


if __name__ == "__main__":
    sys.exit(main())
