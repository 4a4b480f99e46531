"""What compute-sanitizer said, from its own words and never from its exit status alone.

A tool that was killed, or never reached the kernels, leaves no summary: that is `errors=None`, not zero.
The log comes from a process that ran candidate code: what is taken from it is short and printable.
Source: Compute Sanitizer user manual (output of memcheck, racecheck, initcheck and synccheck).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

Tool = Literal["memcheck", "racecheck", "initcheck", "synccheck"]
TOOLS: tuple[Tool, ...] = ("memcheck", "racecheck", "initcheck", "synccheck")

MOST_FINDINGS = 8
_PREFIX = re.compile(r"^=+ ?")
_SUMMARY = re.compile(r"(?:ERROR|RACECHECK) SUMMARY: (\d+)")
_AT = re.compile(r"\bat (?P<kernel>.+?)\+0x[0-9a-f]+(?: in (?P<place>\S+:\d+))?$")
_CUT_SHORT = "Target application returned an error"
_NOISE = re.compile(
    r"^(COMPUTE-SANITIZER|\s|$|.*SUMMARY:|Saved host|No attachable|Target application)"
)


class SanitizerFinding(BaseModel):
    """One kind of error at one place.

    Attributes:
        what: in the tool's words, such as `Invalid __global__ write of size 4 bytes`.
        kernel: the function, where the tool names it.
        place: file and line, where the code was compiled with line numbers.
        detail: what the tool adds, such as how far an address is out of bounds.
        times: how often it was shown.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    what: str
    kernel: str | None = None
    place: str | None = None
    detail: str | None = None
    times: int = 1


class SanitizerReport(BaseModel):
    """What one tool found."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    tool: Tool
    errors: int | None = Field(description="By its summary; null if it never came to one.")
    findings: tuple[SanitizerFinding, ...] = ()
    note: str = ""

    @property
    def clean(self) -> bool:
        """Whether it ran to its end and found nothing."""
        return self.errors == 0 and not self.note


def parse_log(tool: Tool, log: str) -> SanitizerReport:
    """Read a tool's log.

    Args:
        tool: which tool wrote it.
        log: all of its lines, each of which starts with `=========`.
    """
    lines = [_PREFIX.sub("", line.rstrip()) for line in log.splitlines() if line.startswith("=")]
    found: dict[tuple[str, str | None, str | None], SanitizerFinding] = {}
    for finding in _findings(lines):
        key = (finding.what, finding.kernel, finding.place)
        known = found.get(key)
        found[key] = (
            finding if known is None else known.model_copy(update={"times": known.times + 1})
        )
    counts = [int(match[1]) for line in lines if (match := _SUMMARY.search(line))]
    note = "" if counts else f"{tool} did not come to its summary, so nothing is known."
    if counts and _CUT_SHORT in log:
        note = f"The program failed under {tool}: what it did not reach was not checked."
    return SanitizerReport(
        tool=tool,
        errors=counts[-1] if counts else None,
        findings=tuple(found.values())[:MOST_FINDINGS],
        note=note,
    )


def _findings(lines: list[str]) -> Iterator[SanitizerFinding]:
    """Each heading, with what stands indented below it."""
    for number, line in enumerate(lines):
        if _NOISE.match(line):
            continue
        below = []
        for follower in lines[number + 1 :]:
            if not follower.startswith(" ") or "host backtrace" in follower:
                break
            below.append(follower)
        at = next((match for text in [line, *below] if (match := _AT.search(text))), None)
        details = [
            text.strip() for text in below if not text.strip().startswith(("at ", "by thread"))
        ]
        yield SanitizerFinding(
            what=_plain(line.partition(" at ")[0] if _AT.search(line) else line),
            kernel=_plain(at["kernel"]) if at else None,
            place=_plain(at["place"]) if at and at["place"] else None,
            detail=_plain("; ".join(details)) or None,
        )


def _plain(text: str) -> str:
    return "".join(c for c in text if c.isprintable()).strip()[:300]
