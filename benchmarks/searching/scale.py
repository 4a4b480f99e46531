"""How the index behaves as it grows: pages repeated under new ids until there are enough passages."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from benchmarks.searching.metrics import Query
from wiki_index import build
from wiki_index.embedding import Embedder
from wiki_index.index import FORMAT
from wiki_index.models import Filters
from wiki_index.page import Page
from wiki_index.snapshot import write_snapshot
from wiki_index.store import Store
from wiki_index.view import View

ROUNDS = 3
FIRST = """
import json, re, sys, time
began = time.perf_counter()
from pathlib import Path
from wiki_index.view import View
from wiki_index.embedding import Embedder
from wiki_index.models import Filters
view = View(Path(sys.argv[1]), (), Embedder())
loaded = time.perf_counter() - began
view.search(sys.argv[2], 8, Filters(), False)
first = time.perf_counter() - began
rss = int(re.search(r"VmHWM:\\s+(\\d+)", Path("/proc/self/status").read_text())[1]) / 1024
print(json.dumps([loaded, first, rss]))
"""


@dataclass(frozen=True)
class Size:
    """Figures of one size of index."""

    passages: int
    p50_ms: float
    p95_ms: float
    load_s: float
    first_answer_s: float
    rss_mib: float
    snapshot_mib: float
    pack_s: float


def measure(place: Path, queries: Sequence[Query], pack_s: float) -> Size:
    """Latency in this process after loading; load and memory in a fresh one."""
    view = View(place, (), Embedder())
    times = []
    for number in range(ROUNDS + 1):
        for query in queries:
            began = time.perf_counter()
            view.search(query.text, 8, Filters(), False)
            if number:  # the first round fills caches
                times.append(time.perf_counter() - began)
    fresh = subprocess.run(
        [sys.executable, "-c", FIRST, str(place), queries[0].text],
        capture_output=True,
        text=True,
        check=True,
        cwd=Path(__file__).resolve().parents[2],
    )
    loaded, first, rss = json.loads(fresh.stdout)
    return Size(
        passages=view.snapshot.info["passages"],
        p50_ms=float(np.quantile(times, 0.5)) * 1e3,
        p95_ms=float(np.quantile(times, 0.95)) * 1e3,
        load_s=loaded,
        first_answer_s=first,
        rss_mib=rss,
        snapshot_mib=sum(path.stat().st_size for path in place.iterdir()) / 2**20,
        pack_s=pack_s,
    )


def grown(store: Store, pages: dict[str, Page], wanted: int, queries: Sequence[Query]) -> Size:
    """The same for at least so many passages, each of them with a vector."""
    held = len(store.passages)
    copies = dict(pages)
    for number in range(1, -(-wanted // held)):
        copies.update(
            {
                f"{i}~{number}": p.model_copy(update={"id": f"{i}~{number}"})
                for i, p in pages.items()
            }
        )
    with tempfile.TemporaryDirectory(prefix="assay-scale-") as directory:
        big = Store(Path(directory) / "lance")
        known = store.vectors()
        names = list(copies)
        embedder = Embedder()
        for start in range(0, len(names), build.BATCH):
            batch = [copies[name] for name in names[start : start + build.BATCH]]
            digests = {page.id: page.id for page in batch}
            big.add(build.prepare(batch, digests, known, embedder), replace=False)
        began = time.perf_counter()
        place = Path(directory) / "v1"
        info = {"format": FORMAT, "rules": "", "withheld": [], "missing": [], "conflicts": {}}
        write_snapshot(place, big, build.gloss_vectors(embedder), info, lambda *_: None)
        return measure(place, queries, time.perf_counter() - began)
