"""Loose values in, models out."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncu import decode
from ncu.report import Metric, RuleKind, SpeedupScope, StallUnit


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        (3, 3.0),
        ("86.25", 86.25),
        ("1,024", 1024.0),
        ("12.5%", 12.5),
        (float("nan"), None),
        ("inf", None),
        (None, None),
        ("PolicySpread", None),
        (True, None),
        (10**400, None),
    ],
)
def test_number(value: object, expected: float | None) -> None:
    assert decode.number(value) == expected


@given(st.one_of(st.text(), st.integers(), st.floats(), st.binary()))
def test_number_is_finite_or_none(value: object) -> None:
    found = decode.number(value)
    assert found is None or math.isfinite(found)


@pytest.mark.parametrize(
    ("unit", "expected"), [("ns", 1.5), ("usecond", 1500), ("ms", 1.5e6), ("cycle", None)]
)
def test_duration_needs_a_known_unit(unit: str, expected: float | None) -> None:
    found = decode.duration_us(Metric(value=1500, unit=unit))
    assert found == (None if expected is None else pytest.approx(expected))


def rule(kind: object, speedup: object, scope: object) -> dict[str, object]:
    return {
        "rule_identifier": "CPIStall",
        "name": "Warp Stall",
        "section_identifier": "WarpStateStats",
        "rule_message": {
            "title": "Long Scoreboard Stalls",
            "message": "See the @section:SourceCounters:Source Counters@ table and the "
            "@url:Guide:https://docs.example/x@.",
            "type": kind,
        },
        "speedup_estimation": {"type": scope, "speedup": speedup},
    }


@pytest.mark.parametrize(("kind", "speedup", "scope"), [(2, 24.5, 2), ("2", "24.5", "2")])
def test_rules_decode_from_numbers_and_from_text(
    kind: object, speedup: object, scope: object
) -> None:
    (found,) = decode.rules([rule(kind, speedup, scope)])
    assert found.kind is RuleKind.OPTIMIZATION
    assert found.estimated_speedup_pct == 24.5
    assert found.scope is SpeedupScope.GLOBAL
    assert found.message == "See the Source Counters table and the Guide."


def test_no_estimate_is_none_and_silence_is_dropped() -> None:
    quiet = {"name": "x", "rule_message": {"title": "", "message": "", "type": 0}}
    plain = {"name": "x", "section_identifier": "s", "rule_message": {"title": "t", "type": 1}}
    (found,) = decode.rules([quiet, plain, "nonsense", None])
    assert found.estimated_speedup_pct is None
    assert found.scope is None
    assert found.kind is RuleKind.OK


ISSUE = "smsp__average_warps_issue_stalled_{}_per_issue_active.ratio"


def test_stalls_in_cycles_win_over_samples_and_are_never_mixed() -> None:
    values = {
        ISSUE.format("long_scoreboard"): 30.0,
        ISSUE.format("barrier"): 10.0,
        ISSUE.format("selected"): 1.0,
        ISSUE.format("drain"): 0.0,
        "smsp__average_warp_latency_per_inst_issued.ratio": 50.0,
        "smsp__pcsamp_warps_issue_stalled_wait": 99.0,
        "smsp__pcsamp_sample_count": 100.0,
    }
    found = decode.stalls(values)
    assert [(s.reason, s.share_pct) for s in found] == [("long_scoreboard", 60), ("barrier", 20)]
    assert {s.unit for s in found} == {StallUnit.CYCLES_PER_ISSUE}


def test_stalls_from_samples() -> None:
    found = decode.stalls(
        {
            "smsp__pcsamp_warps_issue_stalled_wait": 25.0,
            "smsp__pcsamp_warps_issue_stalled_wait_not_issued": 20.0,
            "smsp__pcsamp_sample_count": 100.0,
        }
    )
    assert [(s.reason, s.value, s.unit) for s in found] == [
        ("wait", 25.0, StallUnit.SAMPLE_SHARE_PCT)
    ]
    assert decode.stalls({"smsp__pcsamp_warps_issue_stalled_wait": 25.0}) == ()
