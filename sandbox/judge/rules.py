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

from sandbox.problem import Bounds, Settings

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
    """The first rule that the outputs of one call break, or None."""
    if len(outputs) != len(expected):
        return Violation("shape_dtype", f"{len(outputs)} outputs, expected {len(expected)}")
    for output, reference, name in zip(outputs, expected, names, strict=True):
        if output.shape != reference.shape or output.dtype != reference.dtype:
            return Violation(
                "shape_dtype",
                f"{name} is {output.dtype} {list(output.shape)}, "
                f"expected {reference.dtype} {list(reference.shape)}",
            )
    return check_calls([o[None] for o in outputs], [e[None] for e in expected], names, settings)


def check_calls(
    outputs: Sequence[torch.Tensor],
    expected: Sequence[torch.Tensor],
    names: Sequence[str],
    settings: Settings,
) -> Violation | None:
    """The first rule that any of several calls breaks, or None.

    Args:
        outputs: for each output of the definition, that of all calls: shape `[calls, ...]`.
        expected: the same of the reference, with equal shapes and dtypes.
        names: of the outputs.
        settings: which rules hold, and how strictly.
    """
    for output, reference, name in zip(outputs, expected, names, strict=True):
        if not output.numel():
            continue
        table = _FLOAT_RULES if output.dtype in FLOATS else _INTEGER_RULES
        calls = _Calls(output, reference)
        for rule, test in table.items():
            if getattr(settings.rules, rule) and (why := test(calls, settings)):
                return Violation(rule, f"{name}: {why}")
    return None


class _Calls:
    """One output of several calls and its reference, with what several rules need.

    `x`, `y` and what derives from them have the shape [calls, elements]; norms have [calls, 1].
    """

    def __init__(self, output: torch.Tensor, reference: torch.Tensor) -> None:
        self.output = output.flatten(1)
        self.reference = reference.flatten(1)

    @cached_property
    def x(self) -> torch.Tensor:
        """The output as float32: float8 knows neither isnan nor comparison."""
        return self.output.to(torch.float32)

    @cached_property
    def y(self) -> torch.Tensor:
        return self.reference.to(torch.float32)

    @cached_property
    def difference(self) -> torch.Tensor:
        return self.x - self.y

    @cached_property
    def largest(self) -> torch.Tensor:
        """Each call's largest absolute difference; not finite where anything is not."""
        low, high = self.difference.aminmax(dim=1, keepdim=True)
        return torch.maximum(high, -low)

    @cached_property
    def all_finite(self) -> bool:
        """Whether both are finite everywhere, which is the usual case.

        A finite difference proves it: infinity minus anything is not finite.
        """
        return bool(torch.isfinite(self.largest).all())

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
    def size(self) -> torch.Tensor:
        """The reference's L2 norm, summed in double precision."""
        size: torch.Tensor = torch.linalg.vector_norm(
            self.target, dim=1, keepdim=True, dtype=torch.float64
        )
        return size

    def bounds(self, settings: Settings) -> Bounds:
        """How far this output may be off, by its type."""
        return settings.bounds(str(self.output.dtype).removeprefix("torch."))

    @property
    def rms(self) -> torch.Tensor:
        return self.size / math.sqrt(self.target.shape[1])


def _finite(calls: _Calls, settings: Settings) -> str | None:
    if calls.all_finite:
        return None
    count = int((~torch.isfinite(calls.x) & calls.usable).sum())
    return f"{count} elements are NaN or Inf (or were never written)" if count else None


def _mask_match(calls: _Calls, settings: Settings) -> str | None:
    if calls.all_finite:
        return None
    same = all(
        torch.equal(test(calls.x), test(calls.y))
        for test in (torch.isnan, torch.isposinf, torch.isneginf)
    )
    return None if same else "NaN and Inf are not where the reference has them"


def _integer_exact(calls: _Calls, settings: Settings) -> str | None:
    if torch.equal(calls.output, calls.reference):
        return None
    wrong = int((calls.output != calls.reference).sum())
    return f"{wrong} of {calls.reference.numel()} integers differ"


def _error_cap(calls: _Calls, settings: Settings) -> str | None:
    # An element may be off by the cap times the larger of its own size and the output's RMS, so
    # none is off by too much if the largest difference is within the cap times the RMS.
    cap = calls.bounds(settings).cap
    if calls.all_finite and bool((calls.largest <= cap * calls.rms).all()):
        return None
    rms = calls.rms.to(torch.float32)
    allowed = torch.maximum(calls.target.abs(), rms).mul_(cap)
    excess = calls.error - allowed
    place = int(excess.argmax())
    if float(excess.flatten()[place]) <= 0:
        return None
    call, element = divmod(place, excess.shape[1])
    return (
        f"element {element} is off by {float(calls.error[call, element]):.3g}, allowed "
        f"{float(allowed[call, element]):.3g} (the output's RMS is {float(rms[call, 0]):.3g})"
    )


def _scale_aware(calls: _Calls, settings: Settings) -> str | None:
    relative_l2 = calls.bounds(settings).relative_l2
    allowed = relative_l2 * calls.size
    # The norm is at most the largest difference times the root of their number.
    bound = calls.largest * math.sqrt(calls.y.shape[1])
    if calls.all_finite and bool((bound <= allowed).all()):
        return None
    distance = torch.linalg.vector_norm(calls.error, dim=1, keepdim=True, dtype=torch.float64)
    if bool((distance <= allowed).all()):
        return None
    call = int((distance - allowed).argmax())
    size = float(calls.size[call])
    relative = float(distance[call]) / size if size else float("inf")
    return f"relative L2 error {relative:.3g}, allowed {relative_l2:g}"


_Rule = Callable[[_Calls, Settings], str | None]

_FLOAT_RULES: dict[str, _Rule] = {
    "finite": _finite,
    "mask_match": _mask_match,
    "error_cap": _error_cap,
    "scale_aware": _scale_aware,
}
_INTEGER_RULES: dict[str, _Rule] = {"integer_exact": _integer_exact}
