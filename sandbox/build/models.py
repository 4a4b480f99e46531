"""What a compilation takes and gives."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class CompileOptions(_Model):
    """The only flags there are. Nothing is passed to a compiler as free text."""

    opt_level: Literal[0, 1, 2, 3] = Field(default=3, description="-O level; default 3.")
    std: Literal["c++17", "c++20"] = Field(default="c++17", description="Default c++17.")
    fast_math: bool = Field(default=False, description="nvcc --use_fast_math; default false.")
    lineinfo: bool = Field(default=True, description="nvcc -lineinfo; default true.")
    maxrregcount: int | None = Field(
        default=None, ge=16, le=255, description="nvcc -maxrregcount, 16 to 255; default none."
    )


class Diagnostic(_Model):
    """One message of a compiler."""

    severity: Literal["error", "warning", "note"]
    message: str
    file: str | None = None
    line: int | None = None
    column: int | None = None
    source_line: str | None = Field(default=None, description="The line it is about.")


class KernelResources(_Model):
    """What one kernel uses, as ptxas reports it."""

    name: str = Field(description="Demangled where possible.")
    registers: int = Field(description="Per thread.")
    spill_store_bytes: int
    spill_load_bytes: int
    stack_bytes: int
    static_shared_bytes: int
    barriers: int | None = None


class TargetReport(_Model):
    """The result for one target."""

    target: str
    ok: bool
    compiler: str
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()
    kernels: tuple[KernelResources, ...] = ()
    note: str = ""


@dataclass(frozen=True)
class Product:
    """A file that a compilation made: `cubin`, `so` or `log`."""

    target: str
    kind: str
    name: str
    content: bytes


@dataclass(frozen=True)
class CompileReport:
    """All targets, and what came out."""

    targets: tuple[TargetReport, ...]
    products: tuple[Product, ...]

    @property
    def ok(self) -> bool:
        return all(target.ok for target in self.targets)
