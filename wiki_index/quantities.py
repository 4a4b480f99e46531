"""Figures that pages give, so that a disagreement is shown and not averaged by a reader's luck.

Two kinds are compared: performance claims that name GPU, data type, shape and metric, and capacities
of the hardware in plain sentences (`148 SMs`, `512 columns` of tensor memory). Anything less definite is
left alone: a false conflict costs more trust than a missed one.
"""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Iterable
from dataclasses import dataclass

from wiki_index.page import Page

MOST = 3
"""Conflicts that are kept for one page."""

TOLERANCE = 0.02
"""Figures that are nearer than this are the same, rounded."""

_SENTENCE = re.compile(r"(?<=[.;!?])\s+|\n+")
_GPU = re.compile(r"\b(?:G?B[23]00|[HA][12]00|H800)\b")
_DOUBT = re.compile(r"\b(?:wrong|incorrect|mistake\w*|outdated|sometimes|claims?|said to)\b", re.I)
"""A sentence that reports a figure in order to deny it."""

_OF_ARCHITECTURE = {"sm100": "B200", "sm100a": "B200", "sm90": "H100", "sm90a": "H100"}


def _any(*patterns: str) -> tuple[re.Pattern[str], ...]:
    return tuple(re.compile(pattern, re.I) for pattern in patterns)


_CAPACITIES = (
    (
        "number of SMs",
        _any(
            r"\b(\d{2,3})\s+(?:SMs|streaming multiprocessors)\b",
            r"\bSM(?:s| count)\W{1,8}(\d{2,3})\b(?!\s*(?:KB|MB|%|TB))",
        ),
        True,
    ),
    (
        "HBM bandwidth, TB/s",
        _any(r"\b(\d+(?:\.\d+)?)\s*TB/s\s+(?:of\s+)?(?:HBM\w*|memory|DRAM)[\s-]*bandwidth"),
        True,
    ),
    ("L2 cache, MB", _any(r"\b(\d+)\s*M(?:i)?B\s+(?:of\s+)?L2\b"), True),
    (
        "columns of tensor memory per SM",
        _any(
            r"\b(\d{3,4})\s+(?:total\s+col(?:umn)?s|col(?:umn)?s\s+(?:in\s+)?total)\b",
            r"\b(\d{3,4})[- ]column\s+(?:TMEM|tensor memory)\b",
            r"(?:TMEM|tensor memory)\s+capacity\s*\(?:?\s*(\d{3,4})\s+col(?:umn)?s",
        ),
        False,
    ),
    (
        "tensor memory per SM, KB",
        _any(r"\b(\d+)\s*K(?:i)?B\s+(?:of\s+)?(?:TMEM|tensor memory)\s+per\s+SM\b"),
        False,
    ),
)


@dataclass(frozen=True)
class Figure:
    """A quantity, its value, and the page that gives it."""

    quantity: str
    value: float
    page_id: str


@dataclass(frozen=True)
class Disagreement:
    """Two figures for one quantity."""

    here: Figure
    there: Figure


def figures(page: Page) -> list[Figure]:
    """What a page says about quantities that others may contradict. Code says nothing."""
    if page.standing == "code":
        return []
    found = [
        Figure(f"{c.metric} of {c.shape} in {c.dtype} on {c.gpu}", c.value, page.id)
        for c in page.claims
    ]
    usual = _usual_gpu(page)
    for sentence in _SENTENCE.split(page.body):
        if _DOUBT.search(sentence):
            continue
        gpus = {name.removeprefix("G") for name in _GPU.findall(sentence)} or {usual}
        for name, patterns, of_gpu in _CAPACITIES:
            values = {value for pattern in patterns for value in pattern.findall(sentence)}
            if len(values) == 1 and (not of_gpu or (len(gpus) == 1 and "" not in gpus)):
                quantity = f"{name} of {next(iter(gpus))}" if of_gpu else name
                found.append(Figure(quantity, float(values.pop()), page.id))
    return list(dict.fromkeys(found))


def _usual_gpu(page: Page) -> str:
    """The GPU that a page is about, where a sentence names none."""
    named = {name.removeprefix("G") for name in _GPU.findall(page.body)}
    built = {_OF_ARCHITECTURE.get(name, "") for name in page.architectures} - {""}
    if len(built) == 1 and (not named or built <= named):
        return built.pop()
    return named.pop() if len(named) == 1 else ""


def disagreements(all_figures: Iterable[Figure]) -> dict[str, list[Disagreement]]:
    """For each page, the figures of other pages that contradict its own.

    A page that gives several values for a quantity is comparing something and takes no part.
    """
    by_quantity: dict[str, dict[str, set[float]]] = defaultdict(lambda: defaultdict(set))
    for figure in all_figures:
        by_quantity[figure.quantity][figure.page_id].add(figure.value)
    found: dict[str, list[Disagreement]] = defaultdict(list)
    for quantity, pages in by_quantity.items():
        single = {page_id: next(iter(v)) for page_id, v in pages.items() if len(v) == 1}
        for page_id, value in single.items():
            others: dict[float, str] = {}
            for other, theirs in sorted(single.items()):
                if abs(value - theirs) > TOLERANCE * max(abs(value), abs(theirs)):
                    others.setdefault(theirs, other)
            found[page_id] += [
                Disagreement(Figure(quantity, value, page_id), Figure(quantity, theirs, other))
                for theirs, other in others.items()
            ]
    return {page_id: items[:MOST] for page_id, items in found.items() if items}
