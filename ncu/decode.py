"""From the reader's loose values to our models: pure functions, no native library.

Values arrive as int, float or text, depending on the versions of writer and reader; rule results
as dictionaries whose parts may be text as well. What does not decode becomes `None`; nothing is
made up.
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from ncu.report import Metric, Rule, RuleKind, SpeedupScope, Stall, StallUnit

MAX_MESSAGE_CHARACTERS = 2_000
MAX_STALLS = 5

_PER_ISSUE = re.compile(r"smsp__average_warps_issue_stalled_([a-z0-9_]+)_per_issue_active\.ratio")
_SAMPLED = re.compile(r"smsp__pcsamp_warps_issue_stalled_([a-z0-9_]+)")
_LATENCY = "smsp__average_warp_latency_per_inst_issued.ratio"
_SAMPLES = "smsp__pcsamp_sample_count"
_ISSUED = "selected"  # a warp that issues is not stalled

_MARKUP = re.compile(r"@(?:section|source|metric):[^:@]*:([^@]*)@|@url:([^:@]*):[^@]*@")
_KINDS = {
    "0": RuleKind.NONE,
    "1": RuleKind.OK,
    "2": RuleKind.OPTIMIZATION,
    "3": RuleKind.WARNING,
    "4": RuleKind.ERROR,
}
_SCOPES = {"1": SpeedupScope.LOCAL, "2": SpeedupScope.GLOBAL}
_US_PER_UNIT = {
    "ns": 1e-3,
    "nsecond": 1e-3,
    "us": 1.0,
    "usecond": 1.0,
    "ms": 1e3,
    "msecond": 1e3,
    "s": 1e6,
    "second": 1e6,
}


def number(value: object) -> float | None:
    """A finite number, whatever form it came in."""
    if isinstance(value, bool):
        return None
    if isinstance(value, str):
        try:
            value = float(value.strip().rstrip("%").replace(",", ""))
        except ValueError:
            return None
    if not isinstance(value, int | float):
        return None
    try:
        result = float(value)
    except OverflowError:
        return None
    return result if math.isfinite(result) else None


def duration_us(metric: Metric | None) -> float | None:
    """A time in microseconds; None when the unit is unknown."""
    if metric is None:
        return None
    factor = _US_PER_UNIT.get(metric.unit)
    return None if factor is None else metric.value * factor


def stalls(values: Mapping[str, float]) -> tuple[Stall, ...]:
    """The longest stall reasons, in cycles per issue if measured, else as shares of samples."""
    per_issue = _reasons(_PER_ISSUE, values)
    if per_issue:
        total = values.get(_LATENCY) or sum(per_issue.values())
        return _longest(per_issue, StallUnit.CYCLES_PER_ISSUE, total)
    sampled = {
        reason: value
        for reason, value in _reasons(_SAMPLED, values).items()
        if not reason.endswith("_not_issued")
    }
    samples = values.get(_SAMPLES)
    if not sampled or not samples:
        return ()
    shares = {reason: 100.0 * value / samples for reason, value in sampled.items()}
    return _longest(shares, StallUnit.SAMPLE_SHARE_PCT, 100.0)


def is_stall(name: str) -> bool:
    """Whether `stalls` looks at this metric."""
    return name in (_LATENCY, _SAMPLES) or bool(
        _PER_ISSUE.fullmatch(name) or _SAMPLED.fullmatch(name)
    )


def sampled_reason(name: str) -> str | None:
    """The reason that a metric counts samples for; `selected` is a warp that issues."""
    found = _SAMPLED.fullmatch(name)
    return found[1] if found and not found[1].endswith("_not_issued") else None


def _reasons(pattern: re.Pattern[str], values: Mapping[str, float]) -> dict[str, float]:
    return {
        found[1]: value
        for name, value in values.items()
        if (found := pattern.fullmatch(name)) and found[1] != _ISSUED
    }


def _longest(values: Mapping[str, float], unit: StallUnit, total: float) -> tuple[Stall, ...]:
    ranked = sorted(values.items(), key=lambda item: (-item[1], item[0]))
    return tuple(
        Stall(
            reason=reason,
            value=value,
            unit=unit,
            share_pct=100.0 * value / total if total > 0 else None,
        )
        for reason, value in ranked[:MAX_STALLS]
        if value > 0
    )


def rules(results: Sequence[object]) -> tuple[Rule, ...]:
    """Every rule result that says something."""
    decoded = (_rule(result) for result in results if isinstance(result, Mapping))
    return tuple(rule for rule in decoded if rule.title or rule.message)


def _rule(result: Mapping[str, object]) -> Rule:
    message = _mapping(result.get("rule_message"))
    estimate = _mapping(result.get("speedup_estimation"))
    speedup = number(estimate.get("speedup"))
    return Rule(
        name=_text(result.get("name") or result.get("rule_identifier")),
        section=_text(result.get("section_identifier")),
        kind=_KINDS.get(_code(message.get("type")), RuleKind.NONE),
        title=_text(message.get("title")),
        message=_text(message.get("message")),
        estimated_speedup_pct=speedup,
        scope=None if speedup is None else _SCOPES.get(_code(estimate.get("type"))),
    )


def _mapping(value: object) -> Mapping[str, object]:
    return value if isinstance(value, Mapping) else {}


def _code(value: object) -> str:
    found = number(value)
    return "" if found is None else str(int(found))


def _text(value: object) -> str:
    if value is None:
        return ""
    plain = _MARKUP.sub(lambda found: found[1] or found[2] or "", str(value))
    return plain.strip()[:MAX_MESSAGE_CHARACTERS]
