"""Timelines, hot spots and rooflines: pure functions on what a report holds."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ncu.hotspots import MOST_INSTRUCTIONS, MOST_LINES, Place, hot_spots
from ncu.roofline import NEEDED, roofline
from ncu.timeline import MIN_SAMPLES, SERIES, summarise, timeline

IDLE = [0.0] * 30


def test_a_steady_kernel_has_no_tail() -> None:
    series = summarise("instructions", IDLE + [80.0] * 100 + IDLE, 1.5)
    assert series is not None
    assert (series.samples, series.plateau) == (100, 80.0)
    assert (series.ramp_us, series.tail_us, series.sawtooth) == (0.0, 0.0, False)
    assert series.plot == "█" * 40


def test_a_tail_is_measured() -> None:
    series = summarise("active SMs", [100.0] * 80 + [30.0] * 20, 2.0)
    assert series is not None
    assert series.tail_us == 40.0
    assert series.plot.endswith("▃▃")


def test_a_ramp_is_measured() -> None:
    series = summarise("DRAM", [20.0] * 10 + [90.0] * 90, 2.0)
    assert series is not None
    assert series.ramp_us == 20.0


def test_bubbles_are_seen_and_noise_is_not() -> None:
    bubbles = summarise("instructions", [90.0, 90.0, 5.0, 5.0] * 25, 1.0)
    assert bubbles is not None
    assert bubbles.sawtooth
    noise = summarise("DRAM", [0.2, 0.4] * 50, 1.0)  # swings around next to nothing
    assert noise is not None
    assert noise.sawtooth is False


def test_short_kernels_get_no_judgement() -> None:
    found = timeline({"DRAM": [*IDLE, 50.0, 60.0, 50.0, *IDLE]}, 1.5)
    assert found is not None
    assert "Too few samples (3" in found.note
    (series,) = found.series
    assert (series.ramp_us, series.tail_us, series.sawtooth) == (None, None, None)
    assert timeline({"DRAM": IDLE}, 1.5) is None


@given(st.lists(st.floats(0, 1e6), max_size=300), st.floats(0.1, 100))
def test_any_series_is_summarised_within_itself(samples: list[float], interval: float) -> None:
    series = summarise("x", samples, interval)
    if series is None:
        assert not any(samples)
        return
    length = series.samples * interval
    assert 1 <= series.samples <= len(samples)
    assert len(series.plot) == min(40, series.samples)
    assert min(samples) <= series.plateau <= max(samples)
    if series.samples >= MIN_SAMPLES:
        assert series.ramp_us is not None
        assert series.tail_us is not None
        assert 0 <= series.ramp_us + series.tail_us <= length


@pytest.mark.parametrize(
    ("name", "series"),
    [
        ("TPC.TriageCompute.sm__cycles_active.avg", "active SMs"),
        ("pmsampling:sm__cycles_active.avg", "active SMs"),
        (
            "TPC.TriageCompute.sm__inst_executed_realtime.avg.pct_of_peak_sustained_elapsed",
            "instructions",
        ),
        (
            "FBSP.TriageCompute.dramc__throughput.avg.pct_of_peak_sustained_elapsed",
            "DRAM",
        ),
    ],
)
def test_series_are_known_by_the_names_of_each_release(name: str, series: str) -> None:
    assert [label for label, pattern in SERIES.items() if pattern.fullmatch(name)] == [series]


# Hot spots.


def test_samples_are_grouped_by_line() -> None:
    samples = {
        0x100: {"long_scoreboard": 60, "selected": 10},
        0x110: {"barrier": 20},
        0x120: {"wait": 10},
    }
    places = {
        0x100: Place(0x0, "LDG.E R1, [R2]", "/somewhere/k.cu", 7),
        0x110: Place(0x10, "BAR.SYNC 0x0", "/somewhere/k.cu", 9),
        0x120: Place(0x20, "EXIT"),
    }
    found = hot_spots(samples, places)
    assert found.samples == 100
    assert [(spot.where, spot.share_pct) for spot in found.lines] == [
        ("k.cu:7", 70),
        ("k.cu:9", 20),
    ]
    assert found.instructions[0].where == "0x0000 LDG.E R1, [R2]"
    assert found.instructions[0].line == "k.cu:7"
    assert list(found.instructions[0].reasons) == ["long_scoreboard", "selected"]
    assert [spot.where for spot in found.at("k.cu:9").instructions] == ["0x0010 BAR.SYNC 0x0"]
    assert len(found.first(1).instructions) == 1


@given(
    st.dictionaries(
        st.integers(0, 2000),
        st.dictionaries(st.sampled_from("abcdef"), st.integers(1, 10**6), min_size=1),
        min_size=1,
        max_size=200,
    )
)
def test_shares_add_up(samples: dict[int, dict[str, int]]) -> None:
    places = {pc: Place(pc, "NOP", "k.cu", 1 + pc % 7) for pc in samples}
    found = hot_spots(samples, places)
    assert len(found.lines) <= MOST_LINES
    assert len(found.instructions) <= MOST_INSTRUCTIONS
    assert math.isclose(sum(spot.share_pct for spot in found.lines), 100, rel_tol=1e-6)
    shares = [spot.share_pct for spot in found.instructions]
    assert shares == sorted(shares, reverse=True)
    assert bool(found.note) == (found.samples < 100)


# Rooflines.

DEVICE = {
    "smsp__cycles_elapsed.avg.per_second": 2e9,
    "dram__cycles_elapsed.avg.per_second": 2.5e9,
    "dram__bytes.sum.peak_sustained": 1280.0,  # 3.2 TB/s
    "sm__sass_thread_inst_executed_op_ffma_pred_on.sum.peak_sustained": 16896.0,  # 67.6 TFLOP/s
    "smsp__sass_thread_inst_executed_op_fadd_pred_on.sum.per_cycle_elapsed": 0.0,
    "smsp__sass_thread_inst_executed_op_fmul_pred_on.sum.per_cycle_elapsed": 0.0,
    "dram__bytes_write.sum": 0.0,
}
FFMA = "smsp__sass_thread_inst_executed_op_ffma_pred_on.sum.per_cycle_elapsed"
READ = "dram__bytes_read.sum"


def test_a_streaming_kernel_stands_on_the_memory_side() -> None:
    found = roofline({**DEVICE, FFMA: 100.0, READ: 1.6e9}, 1000.0)
    assert found is not None
    assert found.side == "memory"
    assert found.roof_pct == pytest.approx(50.0)
    assert found.ops_per_byte == pytest.approx(2 * 100 * 2e9 / 1.6e12)


def test_an_arithmetic_kernel_stands_on_the_compute_side() -> None:
    found = roofline({**DEVICE, FFMA: 8448.0, READ: 1e6}, 1000.0)
    assert found is not None
    assert (found.side, found.kind) == ("compute", "fp32")
    assert found.roof_pct == pytest.approx(50.0)


def test_tensor_cores_are_counted_where_they_work() -> None:
    tensor = "sm__ops_path_tensor_src_fp16.sum"
    values = {f"{tensor}.per_second": 4e14, f"{tensor}.peak_sustained": 5e5}
    found = roofline({**DEVICE, **values, FFMA: 10.0, READ: 1e6}, 1000.0)
    assert found is not None
    assert found.kind == "tensor fp16"
    assert found.roof_pct == pytest.approx(40.0)


@pytest.mark.parametrize("missing", [*DEVICE, FFMA, READ])
def test_what_is_not_measured_gives_no_position(missing: str) -> None:
    values = {**DEVICE, FFMA: 100.0, READ: 1e6}
    assert NEEDED.fullmatch(missing)
    del values[missing]
    assert roofline(values, 100.0) is None
    assert roofline({**DEVICE, FFMA: 100.0, READ: 1e6}, None) is None
