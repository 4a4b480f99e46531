"""Queries with graded judgements, and how good a ranking of pages is for them."""

from __future__ import annotations

import json
import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

DEPTH = 10
RESAMPLES = 10_000


@dataclass(frozen=True)
class Query:
    """A question, its kind, and the grade of each page that answers it (by path or by id)."""

    id: str
    kind: str
    text: str
    relevant: dict[str, float]


def load_queries(path: Path) -> list[Query]:
    """A query a line."""
    rows = [json.loads(line) for line in path.read_text("utf-8").splitlines() if line.strip()]
    return [
        Query(r.get("id", str(n)), r["kind"], r["query"], r["relevant"]) for n, r in enumerate(rows)
    ]


def ndcg(ranking: Sequence[str], relevant: dict[str, float]) -> float:
    """With linear gain, as trec_eval computes it."""

    def gain(grades: Sequence[float]) -> float:
        return sum(grade / math.log2(place + 2) for place, grade in enumerate(grades[:DEPTH]))

    best = gain(sorted(relevant.values(), reverse=True))
    return gain([relevant.get(name, 0.0) for name in ranking[:DEPTH]]) / best if best else 0.0


def recall(ranking: Sequence[str], relevant: dict[str, float], depth: int = 5) -> float:
    """The share of the relevant pages among the first; at most as many as there is room for."""
    found = sum(name in relevant for name in ranking[:depth])
    return found / min(depth, len(relevant)) if relevant else 0.0


def reciprocal_rank(ranking: Sequence[str], relevant: dict[str, float]) -> float:
    """One over the place of the first relevant page."""
    return next((1 / (n + 1) for n, name in enumerate(ranking) if name in relevant), 0.0)


def interval(values: np.ndarray, seed: int = 0) -> tuple[float, float]:
    """The 95 % interval of a mean, by resampling queries."""
    picks = np.random.default_rng(seed).integers(0, len(values), (RESAMPLES, len(values)))
    low, high = np.quantile(values[picks].mean(1), (0.025, 0.975))
    return float(low), float(high)
