"""Words as a kernel engineer means them: identifiers whole and in parts.

`tcgen05.mma.cta_group::2` is found by itself, by each of its neighbours pairs, and by each part;
`PersistentTileScheduler` by its words. The same function makes the index and reads the query, so a
query has no syntax to escape.
"""

from __future__ import annotations

import re
from functools import lru_cache
from itertools import pairwise

_WORD = re.compile(
    r"[A-Za-z_][A-Za-z0-9_]*(?:(?:\.|::|->|/)[A-Za-z0-9_]+)*|\d+(?:[.x]\d+)*[A-Za-z%]*"
)
_JOINT = re.compile(r"\.|::|->|/")
_CAMEL = re.compile(r"[A-Z]+(?=[A-Z][a-z])|[A-Z]?[a-z]+\d*|[A-Z]+\d*|\d+")
_STOP = frozenset(
    """a an and are as at be by do does for from has how i if in is it its my of on or so than that
    the their this to use using vs was were what when where which why will with""".split()  # noqa: SIM905
)


def tokens(text: str) -> list[str]:
    """The tokens of a text, in order, with repeats."""
    return [token for word in _WORD.findall(text) for token in _word(word)]


@lru_cache(maxsize=1 << 16)
def _word(word: str) -> tuple[str, ...]:
    parts = [part for part in _JOINT.split(word) if part]
    found: list[str] = []
    if len(parts) > 1:
        found.append(".".join(parts).lower())
        found += [f"{a}.{b}".lower() for a, b in pairwise(parts)]
    for part in parts:
        found.append(part.lower().strip("_") or part)
        atoms = [atom for atom in part.split("_") if atom]
        if len(atoms) > 1:
            found += [atom.lower() for atom in atoms]
        for atom in atoms:
            camel = _CAMEL.findall(atom)
            if len(camel) > 1:
                found += [piece.lower() for piece in camel if len(piece) > 1]
    return tuple(dict.fromkeys(_stem(token) for token in found if token not in _STOP))


def _stem(token: str) -> str:
    """Plural and verb endings of plain words, so that `spills` finds `spilling`."""
    if not token.isalpha() or len(token) < 5:
        return token
    for ending, rest in (("ies", "y"), ("sses", "ss"), ("ing", ""), ("ed", ""), ("s", "")):
        if token.endswith(ending) and not token.endswith(("ss", "us", "is")):
            stem = token[: -len(ending)] + rest
            if len(stem) >= 4:
                # doubled consonant of a verb: spilling, spilled -> spill stays, tagging -> tag
                if ending in ("ing", "ed") and stem[-1] == stem[-2] and stem[-1] not in "lsz":
                    stem = stem[:-1]
                return stem.removesuffix("e")
            return token
    return token.removesuffix("e")
