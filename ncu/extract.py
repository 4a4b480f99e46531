"""From NVIDIA's report objects to our models. Imported by the worker alone: it loads native code.

Every range and every action is read: a report of a wrapper that launches several kernels is not
the report of its first one.
"""

from __future__ import annotations

import contextlib
import importlib.metadata
import math
import re
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from ncu import decode, hotspots, roofline, timeline
from ncu.container import Container
from ncu.report import HotSpots, KernelProfile, Launch, Metric, ReportSummary, Timeline
from sandbox.errors import AssayError

MAX_KERNELS = 2_000
MAX_NAME_CHARACTERS = 4_096
MAX_INSTANCES = 100_000
MAX_ASKED_METRICS = 100
ROUNDING_PCT = 0.5

_SM_PCT = "sm__throughput.avg.pct_of_peak_sustained_elapsed"
_MEMORY_PCT = "gpu__compute_memory_throughput.avg.pct_of_peak_sustained_elapsed"
_DRAM_PCT = (
    "gpu__dram_throughput.avg.pct_of_peak_sustained_elapsed",
    "dram__throughput.avg.pct_of_peak_sustained_elapsed",
    "dram__cycles_active.avg.pct_of_peak_sustained_elapsed",
)
_LIMIT = "launch__occupancy_limit_"
_LIMITERS = ("warps", "registers", "shared_mem", "blocks", "barriers")

# What is kept of the (up to thousands of) metrics: what findings look at or show.
_KEPT = re.compile(
    r"gpu__time_duration\.sum"
    r"|(sm__throughput|gpu__compute_memory_throughput|gpu__dram_throughput|lts__throughput)"
    r"\.avg\.pct_of_peak_sustained_elapsed"
    r"|l1tex__throughput\.avg\.pct_of_peak_sustained_active"
    r"|launch__(grid_size|block_size|waves_per_multiprocessor|occupancy_limit_\w+)"
    r"|dram__bytes_(read|write)\.sum(\.per_second)?"
    r"|l1tex__t_(sectors|requests)_pipe_lsu_mem_(global|local)_op_(ld|st)\.sum"
    r"|smsp__sass_average_data_bytes_per_sector_mem_global_op_(ld|st)\.ratio"
    r"|l1tex__data_bank_conflicts_pipe_lsu_mem_shared\.sum"
    r"|l1tex__data_pipe_lsu_wavefronts_mem_shared\.sum(\.pct_of_peak_sustained_elapsed)?"
    r"|smsp__sass_inst_executed_op_local_(ld|st)\.sum|derived__local_spilling_requests"
    r"|sm__cycles_active\.(min|avg|max)"
    r"|lts__d_atomic_input_cycles_active\.(?:avg|max)\.pct_of_peak_sustained_elapsed"
    r"|smsp__issue_active\.avg\.pct_of_peak_sustained_active"
    r"|smsp__thread_inst_executed_per_inst_executed\.ratio"
    r"|sm__pipe_(fma|fp64|tensor)_cycles_active\.avg\.pct_of_peak_sustained_active"
)


def summarise(path: Path, container: Container, wanted: str = "") -> ReportSummary:
    """Everything that we keep of a report that `container.scan` found whole.

    Args:
        path: the report.
        container: what the scan found.
        wanted: metrics whose names contain this are kept as well, up to a number.

    Raises:
        AssayError: `ncu_report_missing`, `report_too_new`, `unreadable_report`.
    """
    try:
        import ncu_report
    except ModuleNotFoundError as error:
        raise AssayError(
            "ncu_report_missing",
            "Reading .ncu-rep files needs NVIDIA's reader, which is not installed.",
            'pip install "kernel-assay[ncu]"',
        ) from error
    except ImportError as error:
        raise AssayError(
            "unreadable_report",
            f"NVIDIA's reader is installed but does not load: {str(error)[:200]}.",
            'pip install --force-reinstall "kernel-assay[ncu]"',
        ) from error
    reader = importlib.metadata.version("ncu-report")
    try:
        context = ncu_report.load_report(str(path))
        actions = [
            action
            for r in range(context.num_ranges())
            for action in _actions(context.range_by_idx(r))
        ]
    except Exception as error:  # the native reader raises bare types
        raise _refuse(container, reader, type(error).__name__) from error
    if len(actions) < container.results:
        found = f"it found {len(actions)} of {container.results} results"
        raise _refuse(container, reader, found)
    kernels = tuple(_kernel(i, a, wanted) for i, a in enumerate(actions[:MAX_KERNELS]))
    warnings = []
    if len(actions) > MAX_KERNELS:
        warnings.append(f"Only the first {MAX_KERNELS} of {len(actions)} kernels were read.")
    if is_newer(container.ncu_version, reader):
        warnings.append(
            f"Written by ncu {container.ncu_version}, read with {reader}: parts may be missing."
        )
    devices = {_text(a, "device__attribute_display_name") for a in actions} - {None}
    return ReportSummary(
        ncu_version=container.ncu_version,
        reader_version=reader,
        device=", ".join(sorted(str(device) for device in devices)) or None,
        kernels=kernels,
        warnings=tuple(warnings),
    )


def is_newer(writer: str | None, reader: str) -> bool:
    """Whether a report's writer is of a later release than its reader."""
    return writer is not None and _release(writer) > _release(reader)


def _release(version: str) -> tuple[int, ...]:
    return tuple(int(part) for part in re.findall(r"\d+", version)[:2])


def _refuse(container: Container, reader: str, why: str) -> AssayError:
    if is_newer(container.ncu_version, reader):
        return AssayError(
            "report_too_new",
            f"The report was written by ncu {container.ncu_version}; ncu-report {reader} cannot "
            f"read it ({why}).",
            "pip install --upgrade ncu-report, or capture with an older ncu.",
        )
    return AssayError(
        "unreadable_report",
        f"NVIDIA's reader {reader} could not read the report ({why}).",
        "Capture it again; compare the file sizes if it was copied.",
    )


def _actions(span: Any) -> list[Any]:
    return [span.action_by_idx(i) for i in range(span.num_actions())]


def _kernel(index: int, action: Any, wanted: str) -> KernelProfile:
    names = set(action.metric_names())
    asked = [name for name in sorted(names) if wanted and wanted in name][:MAX_ASKED_METRICS]
    kept = {
        name: m
        for name in sorted(names)
        if (_KEPT.fullmatch(name) or name in asked) and (m := _metric(action, name))
    }
    stall_values = {
        name: m.value for name in names if decode.is_stall(name) and (m := _metric(action, name))
    }

    def value(*candidates: str) -> float | None:
        found = (_metric(action, name) for name in candidates if name in names)
        return next((m.value for m in found if m), None)

    shares = {
        "compute_throughput_pct": value(_SM_PCT),
        "memory_throughput_pct": value(_MEMORY_PCT),
        "dram_throughput_pct": value(*_DRAM_PCT),
        "l1_hit_pct": value("l1tex__t_sector_hit_rate.pct"),
        "l2_hit_pct": value("lts__t_sector_hit_rate.pct"),
        "achieved_occupancy_pct": value("sm__warps_active.avg.pct_of_peak_sustained_active"),
        "theoretical_occupancy_pct": value("sm__maximum_warps_per_active_cycle_pct"),
    }
    limits = {name: value(_LIMIT + name) for name in _LIMITERS}
    short = str(action.name())
    with contextlib.suppress(AttributeError):
        short = str(action.name(action.NameBase_FUNCTION))
    full = short
    with contextlib.suppress(AttributeError):
        full = str(action.name(action.NameBase_DEMANGLED)) or short
    duration = decode.duration_us(_metric(action, "gpu__time_duration.sum"))
    rates = {
        name: m.value
        for name in names
        if roofline.NEEDED.fullmatch(name) and (m := _metric(action, name))
    }
    return KernelProfile(
        index=index,
        name=full[:MAX_NAME_CHARACTERS],
        short_name=short[:MAX_NAME_CHARACTERS],
        launch=_launch(value),
        duration_us=duration,
        occupancy_limiter=limiter(limits),
        stalls=decode.stalls(stall_values),
        rules=decode.rules(_rule_results(action)),
        metrics=kept,
        hot=_hot_spots(action, names),
        timeline=_timeline(action, names),
        roofline=roofline.roofline(rates, duration),
        warnings=impossible(shares),
        **shares,
    )


def _hot_spots(action: Any, names: set[str]) -> HotSpots | None:
    """Samples of the program counter, with the lines and instructions they fell on."""
    samples: dict[int, dict[str, int]] = {}
    for name in names:
        reason = decode.sampled_reason(name)
        found = action.metric_by_name(name) if reason else None
        if reason is None or found is None or not found.has_correlation_ids():
            continue
        addresses = found.correlation_ids()
        for i in range(min(found.num_instances(), MAX_INSTANCES)):
            if count := int(found.as_uint64(i)):
                samples.setdefault(int(addresses.as_uint64(i)), {})[reason] = count
    if not samples:
        return None
    first = min(samples)
    return hotspots.hot_spots(samples, {pc: _place(action, pc, first) for pc in samples})


def _place(action: Any, pc: int, first: int) -> hotspots.Place:
    source = action.source_info(pc)
    return hotspots.Place(
        offset=pc - first,
        sass=" ".join(str(action.sass_by_pc(pc) or "").split())[:120],
        file=str(source.file_name()) if source else None,
        line=int(source.line()) if source else None,
    )


def _timeline(action: Any, names: set[str]) -> Timeline | None:
    interval = _metric(action, "profiler__pmsampler_interval_time")
    spacing = decode.duration_us(interval)
    if spacing is None:
        return None
    values: dict[str, list[float]] = {}
    for label, pattern in timeline.SERIES.items():
        name = next((name for name in sorted(names) if pattern.fullmatch(name)), None)
        found = action.metric_by_name(name) if name else None
        if found is not None:
            numbers = (found.as_double(i) for i in range(min(found.num_instances(), MAX_INSTANCES)))
            values[label] = [number if math.isfinite(number) else 0.0 for number in numbers]
    return timeline.timeline(values, spacing)


def limiter(limits: Mapping[str, float | None]) -> str | None:
    """What allows the fewest resident blocks; the warp limit wins ties, as it costs nothing."""
    known = {name: limit for name, limit in limits.items() if limit is not None}
    return min(known, key=lambda name: known[name]) if known else None


def impossible(shares: Mapping[str, float | None]) -> tuple[str, ...]:
    """A sentence for every percentage that cannot be true."""
    return tuple(
        f"{name} is {value:.1f} %, which cannot be: passes of the replay differ."
        for name, value in shares.items()
        if value is not None and not -ROUNDING_PCT <= value <= 100 + ROUNDING_PCT
    )


def _launch(value: Any) -> Launch:
    def whole(name: str) -> int | None:
        found = value(name)
        return None if found is None else round(found)

    def triple(stem: str) -> tuple[int, int, int] | None:
        x, y, z = (whole(f"launch__{stem}_dim_{axis}") for axis in "xyz")
        return None if x is None or y is None or z is None else (x, y, z)

    cluster = triple("cluster")
    return Launch(
        grid=triple("grid"),
        block=triple("block"),
        cluster=cluster if cluster and any(cluster) else None,
        registers_per_thread=whole("launch__registers_per_thread"),
        static_shared_bytes=whole("launch__shared_mem_per_block_static"),
        dynamic_shared_bytes=whole("launch__shared_mem_per_block_dynamic"),
        waves_per_sm=value("launch__waves_per_multiprocessor"),
        sm_count=whole("device__attribute_multiprocessor_count"),
    )


def _metric(action: Any, name: str) -> Metric | None:
    found = action.metric_by_name(name)
    if found is None:
        return None
    value = decode.number(found.value())
    return None if value is None else Metric(value=value, unit=str(found.unit() or ""))


def _text(action: Any, name: str) -> str | None:
    found = action.metric_by_name(name)
    value = None if found is None else found.value()
    return value if isinstance(value, str) and value else None


def _rule_results(action: Any) -> list[object]:
    with contextlib.suppress(AttributeError):
        return list(action.rule_results_as_dicts())
    return []
