"""The assay rules: what a correct output is, beyond the official tolerance.

The official rule accepts zeros where the reference is small, wrong indices below its tolerance, and
anything where the reference is NaN or Inf. Each rule here has a name, can be off where a problem
declares it, and says in words what is wrong.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property

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
        table = _FLOAT_RULES if output.dtype in FLOATS else _INTEGER_RULES
        pair = _Pair(output, reference)
        for rule, test in table.items():
            if getattr(settings.rules, rule) and (why := test(pair, settings)):
                return Violation(rule, f"{name}: {why}")
    return None


class _Pair:
    """An output and its reference, with what several rules need, computed once."""

    def __init__(self, output: torch.Tensor, reference: torch.Tensor) -> None:
        self.output = output
        self.reference = reference

    @cached_property
    def x(self) -> torch.Tensor:
        """The output as float32: float8 knows neither isnan nor comparison."""
        return self.output.to(torch.float32).flatten()

    @cached_property
    def y(self) -> torch.Tensor:
        return self.reference.to(torch.float32).flatten()

    @cached_property
    def difference(self) -> torch.Tensor:
        return self.x - self.y

    @cached_property
    def largest(self) -> float:
        """The largest absolute difference; NaN or infinite where anything is not finite."""
        if not self.difference.numel():
            return 0.0
        low, high = self.difference.aminmax()
        return max(float(high), -float(low))

    @cached_property
    def all_finite(self) -> bool:
        """Whether both are finite everywhere, which is the usual case.

        A finite difference proves it: infinity minus anything is not finite.
        """
        return math.isfinite(self.largest)

    @cached_property
    def usable(self) -> torch.Tensor:
        """Where the reference is finite."""
        return torch.isfinite(self.y)

    @cached_property
    def target(self) -> torch.Tensor:
        """The reference with zeros where it is not finite."""
        if self.all_finite:
            return self.y
        return torch.where(self.usable, self.y, torch.zeros_like(self.y))

    @cached_property
    def error(self) -> torch.Tensor:
        """Absolute error; infinite where only the output is not finite, zero where only `y` is."""
        if self.all_finite:
            return self.difference.abs()
        error = torch.where(self.usable, (self.x - self.target).abs(), torch.zeros_like(self.y))
        return torch.nan_to_num_(error, nan=float("inf"), posinf=float("inf"))

    @cached_property
    def size(self) -> float:
        """The reference's L2 norm, summed in double precision."""
        return float(torch.linalg.vector_norm(self.target, dtype=torch.float64))

    @property
    def rms(self) -> float:
        return self.size / math.sqrt(max(self.target.numel(), 1))


def _finite(pair: _Pair, settings: Settings) -> str | None:
    if pair.all_finite:
        return None
    count = int((~torch.isfinite(pair.x) & pair.usable).sum())
    return f"{count} elements are NaN or Inf (or were never written)" if count else None


def _mask_match(pair: _Pair, settings: Settings) -> str | None:
    if pair.all_finite:
        return None
    same = all(
        torch.equal(test(pair.x), test(pair.y))
        for test in (torch.isnan, torch.isposinf, torch.isneginf)
    )
    return None if same else "NaN and Inf are not where the reference has them"


def _integer_exact(pair: _Pair, settings: Settings) -> str | None:
    if torch.equal(pair.output, pair.reference):
        return None
    wrong = int((pair.output != pair.reference).sum())
    return f"{wrong} of {pair.reference.numel()} integers differ"


def _error_cap(pair: _Pair, settings: Settings) -> str | None:
    # An element may be off by the cap times the larger of its own size and the output's RMS, so
    # none is off by too much if the largest difference is within the cap times the RMS.
    if pair.all_finite and pair.largest <= settings.cap * pair.rms:
        return None
    if not pair.error.numel():
        return None
    allowed = pair.target.abs().clamp_(min=pair.rms).mul_(settings.cap)
    excess = pair.error - allowed
    place = int(excess.argmax())
    if float(excess[place]) <= 0:
        return None
    return (
        f"element {place} is off by {float(pair.error[place]):.3g}, "
        f"allowed {float(allowed[place]):.3g} (the output's RMS is {pair.rms:.3g})"
    )


def _scale_aware(pair: _Pair, settings: Settings) -> str | None:
    allowed = settings.relative_l2 * pair.size
    # The norm is at most the largest difference times the root of their number.
    if pair.all_finite and pair.largest * math.sqrt(pair.y.numel()) <= allowed:
        return None
    if not pair.error.numel():
        return None
    distance = float(torch.linalg.vector_norm(pair.error, dtype=torch.float64))
    if distance <= allowed:
        return None
    relative = distance / pair.size if pair.size else float("inf")
    return f"relative L2 error {relative:.3g}, allowed {settings.relative_l2:g}"


_Rule = Callable[[_Pair, Settings], str | None]

_FLOAT_RULES: dict[str, _Rule] = {
    "finite": _finite,
    "mask_match": _mask_match,
    "error_cap": _error_cap,
    "scale_aware": _scale_aware,
}
_INTEGER_RULES: dict[str, _Rule] = {"integer_exact": _integer_exact}
