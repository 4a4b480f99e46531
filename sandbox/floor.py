"""What every call of a problem costs at least: pinned by the operator, turned into time by the judge."""

from __future__ import annotations

import ast
import operator
from collections.abc import Callable, Mapping
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

_OPERATORS: dict[type[ast.AST], Callable[[float, float], float]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.FloorDiv: operator.floordiv,
}


class Floor(BaseModel):
    """A latency below what this takes on a GPU is refused, whoever measured it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    traffic: Literal["nothing", "outputs", "all"] = Field(
        default="outputs",
        description="What each call must move through the GPU's memory: 'outputs' (all are written), "
        "'all' (all inputs are read as well: not where only a part is looked at), or 'nothing'.",
    )
    operations: str | None = Field(
        default=None,
        max_length=200,
        description="Arithmetic operations of a call, as a formula of the axes: '2 * m * n * k'.",
    )

    def operations_in(self, axes: Mapping[str, int]) -> float | None:
        """The operations of a call under these axes.

        Raises:
            ValueError: the formula is more than numbers, axes and + - * / //.
        """
        if self.operations is None:
            return None
        try:
            found = _value(ast.parse(self.operations, mode="eval").body, axes)
        except (SyntaxError, ArithmeticError, RecursionError) as error:
            raise ValueError(f"operations {self.operations!r}: {error}") from error
        if not found >= 0:
            raise ValueError(
                f"operations {self.operations!r} is {found}, not a number of operations"
            )
        return found


def _value(node: ast.AST, axes: Mapping[str, int]) -> float:
    match node:
        case ast.Constant(value=int() | float() as number):
            return float(number)
        case ast.Name(id=name) if name in axes:
            return float(axes[name])
        case ast.BinOp(left=left, op=op, right=right) if type(op) in _OPERATORS:
            return _OPERATORS[type(op)](_value(left, axes), _value(right, axes))
    raise ValueError(
        f"operations: {ast.unparse(node)!r} is neither a number nor an axis ({', '.join(axes)}) "
        "nor one of + - * / //"
    )
