"""What compilers print, as structured diagnostics and resource usage."""

from __future__ import annotations

import re
import shutil
import subprocess
from collections.abc import Iterable

from sandbox.build.models import Diagnostic, KernelResources
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
_TOOL = re.compile(
    r"^(?:nvcc |ptxas |g\+\+: |cc1plus: |ld: |collect2: |/usr/bin/ld: )(?P<rest>.*)$"
)
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


def diagnostics(text: str, solution: Solution) -> tuple[Diagnostic, ...]:
    """The messages in a compiler's output, with the source lines they are about."""
    lines = {source.path: source.content.split("\n") for source in solution.sources}
    found: list[Diagnostic] = []
    for raw in text.splitlines():
        line = raw.rstrip()
        if (match := _GCC.match(line) or _NVCC.match(line)) is not None:
            found.append(_located(match, lines))
        elif (linker := _LINKER.search(line)) is not None:
            found.append(Diagnostic(severity="error", message=_clean(linker["rest"])))
        elif (tool := _TOOL.match(line)) is not None and "error" in line.lower():
            found.append(Diagnostic(severity="error", message=_clean(tool["rest"])))
    unique = list(dict.fromkeys(found))
    unique.sort(key=lambda item: ("error", "warning", "note").index(item.severity))
    return tuple(unique[:MAX_DIAGNOSTICS])


def resources(log: str) -> tuple[KernelResources, ...]:
    """Registers, spills, stack, shared memory and barriers of each kernel in `ptxas -v` output."""
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
            KernelResources(
                name=entry["name"],
                registers=int(used["registers"]),
                spill_store_bytes=int(spill["stores"]),
                spill_load_bytes=int(spill["loads"]),
                stack_bytes=int(spill["stack"]),
                static_shared_bytes=int(shared["bytes"]) if shared else 0,
                barriers=int(barriers["barriers"]) if barriers else None,
            )
        )
    names = demangle([kernel.name for kernel in found])
    return tuple(
        kernel.model_copy(update={"name": name}) for kernel, name in zip(found, names, strict=True)
    )


def demangle(names: Iterable[str]) -> list[str]:
    """C++ names for people, where the machine has c++filt."""
    mangled = list(names)
    filt = shutil.which("c++filt", path="/usr/bin:/usr/local/bin")
    if filt is None or not mangled:
        return mangled
    done = subprocess.run(
        [filt], input="\n".join(mangled), capture_output=True, text=True, timeout=10, check=False
    )
    plain = done.stdout.splitlines()
    return plain if len(plain) == len(mangled) else mangled


def _located(match: re.Match[str], lines: dict[str, list[str]]) -> Diagnostic:
    groups = match.groupdict()
    path = groups["file"].removeprefix(SOURCES)
    number = int(groups["line"])
    severity = groups["severity"]
    return Diagnostic(
        severity="error"
        if "error" in severity
        else ("warning" if severity == "warning" else "note"),
        message=_clean(groups["message"]),
        file=path,
        line=number,
        column=int(groups["column"]) if groups.get("column") else None,
        source_line=lines[path][number - 1].strip()[:300]
        if path in lines and 0 < number <= len(lines[path])
        else None,
    )


def _clean(text: str) -> str:
    return text.replace(SOURCES, "").strip()[:1000]
