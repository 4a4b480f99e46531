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
    remedy: str | None = Field(default=None, description="What usually helps.")


class Occupancy(_Model):
    """How much of an SM a launch can fill, by what it uses."""

    block_threads: int
    pct: float = Field(description="Theoretical: resident warps, of the most there can be.")
    blocks_per_sm: int
    limiter: str = Field(description="warps, blocks, registers or shared memory.")


class TensorPath(_Model):
    """Which tensor-core instructions a kernel has."""

    path: Literal["tcgen05", "wgmma", "mma.sync"]
    native: bool | None = Field(description="The fastest path of the target; null: only one.")
    inputs: dict[str, int] = Field(description="Instructions by input type.")
    two_cta: bool = Field(default=False, description="A pair of CTAs works together.")


class LoopReport(_Model):
    """A loop of the machine code."""

    lines: str = Field(description="Where in the source, when compiled with line information.")
    depth: int = Field(description="1 is outermost.")
    instructions: int
    mix: dict[str, int] = Field(description="Instructions by kind.")


class Hint(_Model):
    """Something an expert would look at."""

    id: str
    message: str
    advice: str


class KernelReport(_Model):
    """What the compiler made of one kernel. Null: not known from the file."""

    name: str = Field(description="Demangled where possible.")
    registers: int = Field(description="Per thread.")
    spill_store_bytes: int | None = None
    spill_load_bytes: int | None = None
    stack_bytes: int = 0
    static_shared_bytes: int = 0
    dynamic_shared_bytes: int | None = Field(
        default=None, description="Chosen at launch; known for Triton."
    )
    barriers: int | None = None
    max_threads: int | None = Field(
        default=None, description="Of a block, as declared (__launch_bounds__) or compiled for."
    )
    occupancy: tuple[Occupancy, ...] = Field(
        default=(), description="For the declared block size, else for some; dynamic shared as 0."
    )
    instructions: int | None = Field(default=None, description="Machine instructions.")
    mix: dict[str, int] = Field(default_factory=dict, description="Instructions by kind.")
    global_loads: dict[int, int] = Field(
        default_factory=dict, description="Bits a thread loads at once: instructions."
    )
    global_stores: dict[int, int] = Field(default_factory=dict)
    tensor: TensorPath | None = Field(default=None, description="Null: no tensor cores.")
    loops: tuple[LoopReport, ...] = Field(
        default=(), description="Where most time is likely, first."
    )
    hints: tuple[Hint, ...] = ()

    @property
    def spill_bytes(self) -> int:
        """Loads and stores together; 0 where unknown."""
        return (self.spill_store_bytes or 0) + (self.spill_load_bytes or 0)


class TargetReport(_Model):
    """The result for one target."""

    target: str
    ok: bool
    compiler: str
    seconds: float
    diagnostics: tuple[Diagnostic, ...] = ()
    kernels: tuple[KernelReport, ...] = ()
    ptx_features: tuple[str, ...] = Field(
        default=(), description="Instruction families in the PTX beyond the ordinary."
    )
    report_seconds: float = Field(default=0.0, description="Reading the machine code took that.")
    note: str = ""


class Change(_Model):
    """A figure that differs between two solutions. Null: it was not there."""

    kernel: str
    what: str
    before: int | float | str | None
    after: int | float | str | None


@dataclass(frozen=True)
class Product:
    """A file that a compilation made: `cubin`, `ptx`, `sass`, `so` or `log`."""

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
