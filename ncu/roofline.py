"""Where a kernel stands under its roofline, from the report's own peaks. Pure functions.

Peaks are what the profiled device sustains at the clocks of the capture, as the report gives them, so
no table of devices is needed and none can be wrong.
"""

from __future__ import annotations

import re
from collections.abc import Mapping

from ncu.report import Roofline

_PER_CYCLE = "smsp__sass_thread_inst_executed_op_{}_pred_on.sum.per_cycle_elapsed"
_PEAK = "sm__sass_thread_inst_executed_op_{}fma_pred_on.sum.peak_sustained"
_CLOCK = ("smsp__cycles_elapsed.avg.per_second", "sm__cycles_elapsed.avg.per_second")
_DRAM_PEAK, _DRAM_CLOCK = "dram__bytes.sum.peak_sustained", "dram__cycles_elapsed.avg.per_second"
_DRAM_BYTES = ("dram__bytes_read.sum", "dram__bytes_write.sum")
_TENSOR = re.compile(
    r"sm__ops_path_tensor_src_(?P<kind>fp16|bf16_dst_fp32|tf32_dst_fp32|fp64|int8|fp8\w*|fp4\w*|fp6\w*)"
    r"\.sum\.per_second"
)

# Operations of one instruction of one thread: adds, multiplies, fused multiply-adds.
_ORDINARY = {"fp64": ("d", 1, 1, 2), "fp32": ("f", 1, 1, 2), "fp16": ("h", 2, 2, 4)}

NEEDED = re.compile(
    r"smsp__sass_thread_inst_executed_op_[dfh](?:add|mul|fma)_pred_on\.sum\.per_cycle_elapsed"
    r"|sm__sass_thread_inst_executed_op_[dfh]fma_pred_on\.sum\.peak_sustained"
    r"|smsp?__cycles_elapsed\.avg\.per_second|dram__cycles_elapsed\.avg\.per_second"
    r"|dram__bytes\.sum\.peak_sustained|dram__bytes_(?:read|write)\.sum"
    r"|sm__ops_path_tensor_src_\w+\.sum\.(?:per_second|peak_sustained)"
)
"""Names of the metrics that `roofline` looks at."""


def roofline(values: Mapping[str, float], duration_us: float | None) -> Roofline | None:
    """The kernel's position; None where the report lacks what it takes.

    Args:
        values: metrics by name, in base units (bytes, operations, Hz).
        duration_us: of the kernel.
    """
    clock = next((values[name] for name in _CLOCK if name in values), None)
    peak_bytes = values.get(_DRAM_PEAK, 0.0) * values.get(_DRAM_CLOCK, 0.0)
    if clock is None or not peak_bytes or not duration_us:
        return None
    if any(name not in values for name in _DRAM_BYTES):
        return None
    traffic = sum(values[name] for name in _DRAM_BYTES) / (duration_us * 1e-6)
    rates = {**_ordinary(values, clock), **_tensor(values, clock)}
    if not rates:
        return None
    kind = max(rates, key=lambda kind: rates[kind][0] / rates[kind][1])
    achieved, peak = rates[kind]
    ridge = peak / peak_bytes
    intensity = achieved / traffic if traffic else None
    memory_side = intensity is not None and intensity < ridge
    reached = traffic / peak_bytes if memory_side else achieved / peak
    return Roofline(
        kind=kind,
        achieved_tera_ops=achieved / 1e12,
        peak_tera_ops=peak / 1e12,
        dram_gb_per_s=traffic / 1e9,
        peak_dram_gb_per_s=peak_bytes / 1e9,
        ops_per_byte=intensity,
        ridge_ops_per_byte=ridge,
        side="memory" if memory_side else "compute",
        roof_pct=100.0 * reached,
    )


def _ordinary(values: Mapping[str, float], clock: float) -> dict[str, tuple[float, float]]:
    """Operations a second, done and possible, by precision, outside the tensor cores."""
    found: dict[str, tuple[float, float]] = {}
    for kind, (letter, add, mul, fma) in _ORDINARY.items():
        names = [_PER_CYCLE.format(letter + operation) for operation in ("add", "mul", "fma")]
        peak = values.get(_PEAK.format(letter))
        if peak and all(name in values for name in names):
            counts = zip((add, mul, fma), names, strict=True)
            done = sum(weight * values[name] for weight, name in counts)
            found[kind] = (done * clock, fma * peak * clock)
    return found


def _tensor(values: Mapping[str, float], clock: float) -> dict[str, tuple[float, float]]:
    found: dict[str, tuple[float, float]] = {}
    for name, rate in values.items():
        match = _TENSOR.fullmatch(name)
        peak = values.get(name.replace(".per_second", ".peak_sustained"))
        if match and peak:
            kind = match["kind"].partition("_")[0]
            if rate >= found.get(kind, (0.0, 0.0))[0]:
                found[kind] = (rate, peak * clock)
    return {f"tensor {kind}": rates for kind, rates in found.items()}
