"""The assay rules: what a correct output is, beyond the official tolerance.

The official rule accepts zeros where the reference is small, wrong indices below its tolerance, and
anything where the reference is NaN or Inf. Each rule here has a name, can be off where a problem
declares it, and says in words what is wrong.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from sandbox.problem import Settings

FLOATS = (
    torch.float64,
    torch.float32,
    torch.float16,
    torch.bfloat16,
    torch.float8_e4m3fn,
    torch.float8_e5m2,
)


@dataclass(frozen=True)
class Violation:
    """A rule that was broken, and how."""

    rule: str
    reason: str


def check(
    outputs: Sequence[torch.Tensor],
    expected: Sequence[torch.Tensor],
    names: Sequence[str],
    settings: Settings,
) -> Violation | None:
    """The first rule that an output breaks, or None."""
    if len(outputs) != len(expected):
        return Violation("shape_dtype", f"{len(outputs)} outputs, expected {len(expected)}")
    for output, reference, name in zip(outputs, expected, names, strict=True):
        if output.shape != reference.shape or output.dtype != reference.dtype:
            return Violation(
                "shape_dtype",
                f"{name} is {output.dtype} {list(output.shape)}, "
                f"expected {reference.dtype} {list(reference.shape)}",
            )
        for rule, test in _RULES.items():
            if getattr(settings.rules, rule) and (why := test(output, reference, settings)):
                return Violation(rule, f"{name}: {why}")
    return None


def _finite(output: torch.Tensor, reference: torch.Tensor, settings: Settings) -> str | None:
    if output.dtype not in FLOATS:
        return None
    extra = (~torch.isfinite(_wide(output))) & torch.isfinite(_wide(reference))
    count = int(extra.sum())
    return f"{count} elements are NaN or Inf (or were never written)" if count else None


def _mask_match(output: torch.Tensor, reference: torch.Tensor, settings: Settings) -> str | None:
    if output.dtype not in FLOATS:
        return None
    x, y = _wide(output), _wide(reference)
    same = (
        torch.equal(torch.isnan(x), torch.isnan(y))
        and torch.equal(torch.isposinf(x), torch.isposinf(y))
        and torch.equal(torch.isneginf(x), torch.isneginf(y))
    )
    return None if same else "NaN and Inf are not where the reference has them"


def _integer_exact(output: torch.Tensor, reference: torch.Tensor, settings: Settings) -> str | None:
    if output.dtype in FLOATS:
        return None
    wrong = int((output != reference).sum())
    return f"{wrong} of {reference.numel()} integers differ" if wrong else None


def _error_cap(output: torch.Tensor, reference: torch.Tensor, settings: Settings) -> str | None:
    error, scale = _error_and_scale(output, reference)
    if error is None or not error.numel():
        return None
    # An element may be off by the cap times the larger of its own size and the output's RMS.
    allowed = settings.cap * torch.clamp(_finite_part(reference).abs(), min=scale)
    worst = float((error - allowed).max())
    if worst <= 0:
        return None
    place = int((error - allowed).argmax())
    return (
        f"element {place} is off by {float(error[place]):.3g}, "
        f"allowed {float(allowed[place]):.3g} (the output's RMS is {scale:.3g})"
    )


def _scale_aware(output: torch.Tensor, reference: torch.Tensor, settings: Settings) -> str | None:
    error, _ = _error_and_scale(output, reference)
    if error is None or not error.numel():
        return None
    size = float(torch.linalg.vector_norm(_finite_part(reference)))
    distance = float(torch.linalg.vector_norm(error))
    if distance <= settings.relative_l2 * size:
        return None
    relative = distance / size if size else float("inf")
    return f"relative L2 error {relative:.3g}, allowed {settings.relative_l2:g}"


_RULES: dict[str, Callable[[torch.Tensor, torch.Tensor, Settings], str | None]] = {
    "finite": _finite,
    "mask_match": _mask_match,
    "integer_exact": _integer_exact,
    "error_cap": _error_cap,
    "scale_aware": _scale_aware,
}


def _wide(tensor: torch.Tensor) -> torch.Tensor:
    """As float64: float8 knows neither isnan nor comparison."""
    return tensor.to(torch.float32).to(torch.float64).flatten()


def _finite_part(reference: torch.Tensor) -> torch.Tensor:
    return torch.nan_to_num(_wide(reference), nan=0.0, posinf=0.0, neginf=0.0)


def _error_and_scale(
    output: torch.Tensor, reference: torch.Tensor
) -> tuple[torch.Tensor | None, float]:
    """Absolute error where the reference is finite, and the reference's root mean square."""
    if output.dtype not in FLOATS:
        return None, 0.0
    y = _finite_part(reference)
    usable = torch.isfinite(_wide(reference))
    error = torch.where(usable, (_wide(output) - y).abs(), torch.zeros_like(y))
    error = torch.nan_to_num(error, nan=float("inf"), posinf=float("inf"))
    scale = float(torch.sqrt((y * y).mean())) if y.numel() else 0.0
    return error, scale
