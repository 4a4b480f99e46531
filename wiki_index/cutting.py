"""Cutting Markdown: sections for readers, passages for the index.

A section is what stands below one heading. A passage is what is ranked: small neighbouring sections
joined, long ones cut between lines, so that all passages have about the same length. Trusts nothing
in the text; whatever it is, every line of it is in some passage.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

SECTION_CHARS = 2400
PASSAGE_CHARS = 700
"""About the 160 word pieces that the embedding model reads of a passage."""

CODE_CHARS = 2800
"""Code has no vectors, and a function should stay whole where it can."""

LINE_CHARS = 1400
"""A longer line is cut: minified code and tables of one line exist."""

_HEADING = re.compile(r"(#{1,4})[ \t]+(\S.*)")
_FENCE = re.compile(r"^\s*(```|~~~)")


@dataclass(frozen=True)
class Section:
    """A piece of a page below one heading; `heading` holds the headings above it, too."""

    heading: str
    text: str


def sections(body: str) -> Iterator[Section]:
    """The body cut at headings; long sections are cut again between blocks."""
    for heading, text in _by_heading(body):
        for piece in _pieces(text):
            if piece.strip():
                yield Section(heading, piece)


def passages(body: str, size: int = PASSAGE_CHARS) -> Iterator[Section]:
    """The units of the index, in order. A joined section keeps its heading as a line of the text."""
    heading, held = "", ""
    cut = list(_by_heading(body))
    for place, (name, text) in enumerate(cut):
        own = name.rpartition(" > ")[2]
        pieces = list(_lines(text, size))
        if not pieces and own and not _opens(cut[place + 1 :], name):
            pieces = [own]  # a heading that nothing follows is all that there is of its section
        for number, piece in enumerate(pieces):
            shown = f"### {own}\n{piece}" if held and not number and own else piece
            if held and len(held) + len(shown) > size:
                yield Section(heading, held)
                held = ""
                shown = piece
            if not held:
                heading = name
            held = f"{held}\n{shown}" if held else shown
    if held:
        yield Section(heading, held)


def _opens(following: list[tuple[str, str]], name: str) -> bool:
    """Whether the next section stands below this one, and so carries its heading."""
    return bool(following) and following[0][0].startswith(f"{name} > ")


def heading_near(passage: Section, shown: str) -> str:
    """The heading that stands last before what is shown of a passage."""
    before, found, _ = passage.text.partition(shown[:60])
    names = re.findall(r"^### (.+)$", before if found else "", re.MULTILINE)
    return names[-1] if names else passage.heading


def _lines(text: str, size: int) -> Iterator[str]:
    """A text in pieces of the size of a passage, cut between lines."""
    piece = ""
    for raw in text.split("\n"):
        for start in range(0, max(len(raw), 1), LINE_CHARS):
            line = raw[start : start + LINE_CHARS]
            if piece and len(piece) + len(line) > size:
                if piece.strip():
                    yield piece
                piece = ""
            piece = f"{piece}\n{line}" if piece else line
    if piece.strip():
        yield piece


def _by_heading(body: str) -> Iterator[tuple[str, str]]:
    path: list[tuple[int, str]] = []
    lines: list[str] = []
    fenced = False
    for line in body.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        match = None if fenced else _HEADING.fullmatch(line.rstrip(" \t"))
        if match is None:
            lines.append(line)
            continue
        yield " > ".join(title for _, title in path), "\n".join(lines).strip()
        lines = []
        level = len(match[1])
        path = [(depth, title) for depth, title in path if depth < level]
        path.append((level, match[2].rstrip("#").rstrip() or match[2]))
    yield " > ".join(title for _, title in path), "\n".join(lines).strip()


def _pieces(text: str) -> Iterator[str]:
    """Blocks between blank lines, packed up to the size; a fence or a table stays whole."""
    piece = ""
    for block in _blocks(text):
        if piece and len(piece) + len(block) > SECTION_CHARS:
            yield piece
            piece = ""
        piece = f"{piece}\n\n{block}" if piece else block
    yield piece


def _blocks(text: str) -> Iterator[str]:
    lines: list[str] = []
    fenced = False
    for line in text.split("\n"):
        if _FENCE.match(line):
            fenced = not fenced
        if line.strip() or fenced:
            lines.append(line)
        elif lines:
            yield "\n".join(lines)
            lines = []
    if lines:
        yield "\n".join(lines)
