"""The derived parts of a profile that need no report."""

from __future__ import annotations

from ncu.extract import impossible, is_newer, limiter


def test_the_limiter_is_what_allows_the_fewest_blocks() -> None:
    assert limiter({"warps": 8, "registers": 3, "shared_mem": 5}) == "registers"
    assert limiter({"warps": 8, "registers": 8}) == "warps"
    assert limiter({"warps": None, "registers": None}) is None


def test_impossible_values_are_named() -> None:
    (warning,) = impossible({"l2_hit_pct": 101.6, "l1_hit_pct": 100.2, "dram": None, "sm": 50.0})
    assert "l2_hit_pct is 101.6 %" in warning
    assert impossible({"sm": -3.0})


def test_versions_compare_by_release() -> None:
    assert is_newer("2026.10.0", "2026.3.1")
    assert not is_newer("2025.3.1.0", "2026.3.1")
    assert not is_newer(None, "2026.3.1")
