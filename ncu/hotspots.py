"""Where warps wait: samples of the program counter, by source line and by instruction.

Pure functions. A sample counts a warp that was looked at; `selected` ones were issuing, the others
wait for the reason that they are booked under.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ncu.report import HotSpot, HotSpots

MOST_LINES, MOST_INSTRUCTIONS = 20, 60
REASONS = 3
MIN_SAMPLES = 100


@dataclass(frozen=True)
class Place:
    """What stands at an address."""

    offset: int
    sass: str = ""
    file: str | None = None
    line: int | None = None


def hot_spots(samples: Mapping[int, Mapping[str, int]], places: Mapping[int, Place]) -> HotSpots:
    """The lines and instructions with most samples.

    Args:
        samples: by program counter, how many samples for which reason.
        places: what stands at each of those.
    """
    total = sum(sum(reasons.values()) for reasons in samples.values())
    by_line: dict[str, Counter[str]] = defaultdict(Counter)
    instructions = []
    for pc, reasons in samples.items():
        place = places.get(pc, Place(pc))
        line = f"{_short(place.file)}:{place.line}" if place.file and place.line else None
        where = f"{place.offset:#06x} {place.sass}".strip()
        instructions.append(_spot(where, line, Counter(reasons), total))
        if line:
            by_line[line].update(reasons)
    lines = [_spot(line, None, reasons, total) for line, reasons in by_line.items()]
    return HotSpots(
        samples=total,
        lines=_ranked(lines)[:MOST_LINES],
        instructions=_ranked(instructions)[:MOST_INSTRUCTIONS],
        note="Too few samples: shares are rough." if total < MIN_SAMPLES else "",
    )


def _spot(where: str, line: str | None, reasons: Counter[str], total: int) -> HotSpot:
    own = reasons.total()
    return HotSpot(
        where=where,
        line=line,
        share_pct=100.0 * own / total if total else 0.0,
        reasons={
            reason: 100.0 * count / own for reason, count in reasons.most_common(REASONS) if count
        },
    )


def _ranked(spots: Iterable[HotSpot]) -> tuple[HotSpot, ...]:
    return tuple(sorted(spots, key=lambda spot: (-spot.share_pct, spot.where)))


def _short(file: str) -> str:
    """The last part of a path: where it lay on the machine that compiled it says nothing."""
    return file.replace("\\", "/").rpartition("/")[2]
