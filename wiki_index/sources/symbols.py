"""Source code cut at its symbols: functions, kernels, classes.

Python is parsed; C++ and CUDA are scanned, because a header of templates and macros has no parser
that needs no compiler. The scan follows braces outside of strings and comments: what stands at the
top, in namespaces or in `extern "C"` is a symbol. Whatever the text, every line ends up somewhere.
"""

from __future__ import annotations

import ast
import re
import warnings
from collections.abc import Iterator
from dataclasses import dataclass

PYTHON = frozenset((".py",))
CPP = frozenset((".cu", ".cuh", ".h", ".hpp", ".cpp", ".cc", ".c", ".inl", ".ptx"))
SUFFIXES = PYTHON | CPP
REST = "(file)"
"""The name of what is in no symbol."""

_SKIP = re.compile(r"//[^\n]*|/\*.*?\*/|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^'\\\n])'", re.DOTALL)
_OPENS_SCOPE = re.compile(r'(?:\bnamespace\b[^;{}()]*|\bextern\s*"[^"]*"\s*)$')
_TYPE = re.compile(
    r"\b(?:struct|class|union|enum(?:\s+class)?)\s+(?:[A-Za-z_]+\([^)]*\)\s*)*(\w+)(?!\s*\()"
)
_CALL = re.compile(r"(~?\w+|operator\s*\S{1,3})\s*\($|(~?\w+|operator\s*[^\s\w]{1,3})\s*\(")
_NOT_NAMES = frozenset(
    """if for while switch return sizeof decltype alignof alignas requires noexcept defined asm
    static_assert enable_if_t __launch_bounds__ __attribute__ __align__ __grid_constant__
    __cluster_dims__""".split()  # noqa: SIM905
)


@dataclass(frozen=True)
class Symbol:
    """A named piece of a file."""

    name: str
    text: str
    line: int


def symbols(text: str, suffix: str) -> list[Symbol]:
    """The symbols of a file, in order."""
    found = _python(text) if suffix in PYTHON else None
    return list(_cpp(text)) if found is None else found


def _python(text: str) -> list[Symbol] | None:
    try:
        with warnings.catch_warnings(action="ignore"):  # about its escapes: not this program's
            tree = ast.parse(text)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    lines = text.split("\n")
    found: list[Symbol] = []
    rest = 0

    def take(name: str, start: int, end: int) -> None:
        piece = "\n".join(lines[start:end])
        if piece.strip():
            found.append(Symbol(name, piece, start + 1))

    for node in tree.body:
        if not isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            continue
        start = min([node.lineno, *(d.lineno for d in node.decorator_list)]) - 1
        take(REST, rest, start)
        rest = node.end_lineno or start + 1
        methods = [
            item
            for item in node.body
            if isinstance(node, ast.ClassDef)
            and isinstance(item, ast.FunctionDef | ast.AsyncFunctionDef)
        ]
        for method in methods:
            begin = min([method.lineno, *(d.lineno for d in method.decorator_list)]) - 1
            take(node.name, start, begin)
            start = method.end_lineno or begin + 1
            take(f"{node.name}.{method.name}", begin, start)
        take(node.name, start, rest)
    take(REST, rest, len(lines))
    return found


def _cpp(text: str) -> Iterator[Symbol]:
    blank = _SKIP.sub(lambda m: re.sub(r"[^\n]", " ", m[0]), text)
    start, depth, scopes = 0, 0, 0
    body = False
    for match in re.finditer(r"[{};]", blank):
        mark, place = match[0], match.end()
        if mark == "{":
            if depth == scopes:
                head = blank[start : match.start()].rstrip()
                if _OPENS_SCOPE.search(_tail(text, blank, start, match.start())):
                    yield from _symbol(text, start, place, REST)
                    start, scopes = place, scopes + 1
                elif head:
                    body = True
            depth += 1
        elif mark == "}":
            depth = max(0, depth - 1)
            if depth < scopes:
                yield from _symbol(text, start, match.start(), REST)
                scopes, start = depth, place
            elif depth == scopes and body and not _goes_on(blank, place):
                yield from _symbol(text, start, place, _name(blank[start:place]))
                start, body = place, False
        elif depth == scopes and len(blank[start:place].strip()) > 1:
            yield from _symbol(text, start, place, _name(blank[start:place]))
            start, body = place, False
    yield from _symbol(text, start, len(text), REST)


def _tail(text: str, blank: str, start: int, end: int) -> str:
    """What stands before a brace; `extern "C"` has its string, which the blanked text lacks."""
    tail = text[max(start, end - 40) : end].rstrip()
    return tail if tail.endswith('"') else blank[start:end].rstrip()


def _goes_on(blank: str, place: int) -> bool:
    """Whether a declaration goes on after its braces: `} name;` and `};`."""
    return re.match(r"\s*[\w\s,*&\[\]]*;", blank[place : place + 80]) is not None


def _symbol(text: str, start: int, end: int, name: str) -> Iterator[Symbol]:
    piece = text[start:end]
    if len(piece.strip()) > 1:
        lead = len(piece) - len(piece.lstrip())
        yield Symbol(name, piece.strip("\n"), text.count("\n", 0, start + lead) + 1)


def _name(declaration: str) -> str:
    head = re.sub(r"^\s*#.*$", "", declaration.partition("{")[0], flags=re.MULTILINE)
    head = re.sub(r"\btemplate\s*<[^;{]*?>\s*(?=\w|__)", "", head, count=1)
    calls = [found[1] or found[2] for found in _CALL.finditer(head)]
    calls = [name for name in calls if name not in _NOT_NAMES]
    if kind := _TYPE.search(head):
        return kind[1]
    if calls:
        return calls[0]
    if found := re.search(r"\busing\s+(\w+)\s*=|(\w+)\s*(?:=|;|\[)", head):
        return found[1] or found[2]
    return REST
