"""What compilers print, as structured diagnostics and resource usage."""

from __future__ import annotations

import re

from sandbox.build.models import Diagnostic, KernelReport
from sandbox.build.remedies import remedy
from sandbox.solution import Solution

MAX_DIAGNOSTICS = 50
SOURCES = "/sandbox/in/src/"

_GCC = re.compile(
    r"^(?P<file>[^\s:][^:\n]*):(?P<line>\d+):(?:(?P<column>\d+):)? "
    r"(?P<severity>fatal error|error|warning|note): (?P<message>.*)$"
)
_NVCC = re.compile(
    r"^(?P<file>[^\s(][^(\n]*)\((?P<line>\d+)\): "
    r"(?P<severity>catastrophic error|error|warning|note|remark)(?: #[\w-]+)?: (?P<message>.*)$"
)
_PTXAS = re.compile(
    r"^ptxas \S+\.ptx, line (?P<line>\d+); (?P<severity>error|fatal|warning)\s*: (?P<message>.*)$"
)
_PTX_FILE = re.compile(r'^\s*\.file\s+(?P<index>\d+)\s+"(?P<path>[^"]*)"')
_PTX_PLACE = re.compile(r"^\s*\.loc\s+(?P<index>\d+)\s+(?P<line>\d+)")
_TOOL = re.compile(
    r"^(?:nvcc |ptxas |g\+\+: |cc1plus: |ld: |collect2: |/usr/bin/ld: )"
    r"(?:(?:error|fatal)\s*: )?+(?P<rest>(?!Ptx assembly aborted).*)$"
)
_COLOUR = re.compile(r"\x1b\[[0-9;]*m")
_SERIOUS = re.compile(r"\b(?:error|fatal)\b")
_LINKER = re.compile(
    r"(?P<rest>undefined reference to .*|cannot find -l.*|multiple definition of .*)$"
)
_ENTRY = re.compile(r"Compiling entry function '(?P<name>[^']+)' for '(?P<arch>[^']+)'")
_SPILL = re.compile(
    r"(?P<stack>\d+) bytes stack frame, (?P<stores>\d+) bytes spill stores, "
    r"(?P<loads>\d+) bytes spill loads"
)
_USED = re.compile(r"Used (?P<registers>\d+) registers")
_BARRIERS = re.compile(r"used (?P<barriers>\d+) barriers")
_SHARED = re.compile(r"(?P<bytes>\d+) bytes smem")


def diagnostics(text: str, solution: Solution, ptx: str = "") -> tuple[Diagnostic, ...]:
    """The messages in a compiler's output, with the source lines they are about.

    Args:
        text: what the compiler printed.
        solution: whose lines are quoted.
        ptx: what ptxas was given, to find the source line of a line of it.
    """
    lines = {source.path: source.content.split("\n") for source in solution.sources}
    found: list[Diagnostic] = []
    for raw in text.splitlines():
        line = raw.rstrip()
        if (match := _GCC.match(line) or _NVCC.match(line)) is not None:
            place = match["file"].removeprefix(SOURCES), int(match["line"])
            found.append(_located(match, place, lines))
        elif (match := _PTXAS.match(line)) is not None:
            found.append(_located(match, _source_of(ptx, int(match["line"])), lines))
        elif (linker := _LINKER.search(line)) is not None:
            found.append(Diagnostic(severity="error", message=clean(linker["rest"])))
        elif (tool := _TOOL.match(line)) is not None and _SERIOUS.search(line):
            found.append(Diagnostic(severity="error", message=clean(tool["rest"])))
    unique = list(dict.fromkeys(map(with_remedy, found)))
    unique.sort(key=lambda item: ("error", "warning", "note").index(item.severity))
    return tuple(unique[:MAX_DIAGNOSTICS])


def with_remedy(found: Diagnostic) -> Diagnostic:
    """The same, with what usually helps if it is an error that is known."""
    helps = remedy(found.message) if found.severity == "error" else None
    return found.model_copy(update={"remedy": helps})


def resources(log: str) -> tuple[KernelReport, ...]:
    """What `ptxas -v` prints of each kernel, under its mangled name."""
    blocks = list(_ENTRY.finditer(log))
    found = []
    for index, entry in enumerate(blocks):
        end = blocks[index + 1].start() if index + 1 < len(blocks) else len(log)
        block = log[entry.end() : end]
        used, spill = _USED.search(block), _SPILL.search(block)
        if used is None or spill is None:
            continue
        barriers, shared = _BARRIERS.search(block), _SHARED.search(block)
        found.append(
            KernelReport(
                name=entry["name"],
                registers=int(used["registers"]),
                spill_store_bytes=int(spill["stores"]),
                spill_load_bytes=int(spill["loads"]),
                stack_bytes=int(spill["stack"]),
                static_shared_bytes=int(shared["bytes"]) if shared else 0,
                barriers=int(barriers["barriers"]) if barriers else None,
            )
        )
    return tuple(found)


def _located(
    match: re.Match[str], place: tuple[str, int] | None, lines: dict[str, list[str]]
) -> Diagnostic:
    groups = match.groupdict()
    path, number = place or (None, None)
    text = lines.get(path, []) if path else []
    severity = groups["severity"]
    return Diagnostic(
        severity="error"
        if "error" in severity or severity == "fatal"
        else ("warning" if severity == "warning" else "note"),
        message=clean(groups["message"]),
        file=path,
        line=number,
        column=int(groups["column"]) if groups.get("column") else None,
        source_line=text[number - 1].strip()[:300] if number and 0 < number <= len(text) else None,
    )


def _source_of(ptx: str, number: int) -> tuple[str, int] | None:
    """The source line that a line of PTX comes from, by its line information."""
    text = ptx.splitlines()
    for line in reversed(text[:number]):
        if (place := _PTX_PLACE.match(line)) is not None:
            files = (_PTX_FILE.match(other) for other in text)
            names = {file["index"]: file["path"] for file in files if file}
            path = names.get(place["index"], "").removeprefix(SOURCES)
            return (path, int(place["line"])) if path else None
    return None


def clean(text: str) -> str:
    """A message without colours, control characters and the sandbox's paths, at most 1,000 long."""
    plain = _COLOUR.sub("", text).replace(SOURCES, "")
    return "".join(c for c in plain if c == "\n" or c.isprintable()).strip()[:1000]
