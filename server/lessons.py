"""Lessons: the candidates of this server as pages, so that a search finds what was tried before.

Made from the ledger whenever the index is built. Text that a principal wrote is data here too: it
becomes the body of a page and is searched and shown like any other page's.
"""

from __future__ import annotations

import json
import shutil
from pathlib import Path

from server.journal import Fact, History
from server.ledger.layout import Layout
from server.ledger.reader import events
from server.records import CandidateRecord, ReviewRecord
from server.state import State

KINDS = ("candidate.recorded", "candidate.reviewed")


def write_lessons(state: State, directory: Path) -> int:
    """Write a page for each candidate that the ledger knows; the directory holds nothing else.

    Only reads the ledger, so a server may be running. Returns how many there are.
    """
    history = History()
    for event in events(Layout(state.ledger), kinds=KINDS):
        history.apply(event)
    shutil.rmtree(directory, ignore_errors=True)
    directory.mkdir(parents=True)
    for candidate_id, fact in history.candidates.items():
        text = _page(fact, history.reviews.get(candidate_id, []))
        (directory / f"{candidate_id}.md").write_text(text, "utf-8")
    return len(history.candidates)


def _page(fact: Fact[CandidateRecord], reviews: list[Fact[ReviewRecord]]) -> str:
    record = fact.record
    approved = bool(reviews) and reviews[-1].record.verdict == "approve"
    front = {
        "id": f"lesson/{record.candidate_id}",
        "title": f"{record.direction} ({record.problem}: {record.decision})",
        "type": "lesson",
        "tags": [record.decision, "approved" if approved else "not-approved"],
        "confidence": "verified" if approved else "experimental",
        "date": fact.ts[:10],
        "sources": [],
        "related": [f"lesson/{parent}" for parent in record.parents],
        "standing": "report",
        "repository": record.campaign,
        "origin": "this server's ledger",
        "revision": str(fact.seq),
    }
    verified = record.verified
    gained = (
        "not measured" if verified.speedup_geomean is None else f"{verified.speedup_geomean:.3f}"
    )
    parts = [
        ("Hypothesis", record.hypothesis),
        ("Decision", f"{record.decision}: {record.rationale}"),
        (
            "What the server verified",
            f"Correct on the full set: {_yes(verified.correct_full)}. Faster on the full set: "
            f"{_yes(verified.faster_full)}. Speedup over the baseline, geometric mean: {gained}. "
            f"Profiled: {_yes(verified.profiled)}. Candidate {record.candidate_id}, by {fact.actor}.",
        ),
        *((f"Review: {r.record.verdict}", r.record.rationale) for r in reviews),
    ]
    body = "\n\n".join(f"## {heading}\n\n{_quoted(text)}" for heading, text in parts)
    # JSON is YAML, and has no surprises with what a principal wrote into a title
    lines = "\n".join(f"{name}: {json.dumps(value)}" for name, value in front.items())
    return f"---\n{lines}\n---\n\n{body}\n"


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _quoted(text: str) -> str:
    """A principal's text cannot open a heading or a fence."""
    return "\n".join(f"> {line}" for line in text.split("\n"))
