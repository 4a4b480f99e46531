"""Problems: a definition, its workloads, a baseline and the rules, pinned by content hash.

The models mirror flashinfer-bench's `Definition` and `Workload` without importing them. A problem is
a directory: `definition.json`, `workloads.jsonl`, `baseline.json`, optionally `settings.json` and
`blobs/`. Its identity is a hash over the hashes of these parts, so nothing of it can change unseen.
The reference is parsed here and never run.
"""

from __future__ import annotations

import ast
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Annotated, Any, Literal, NamedTuple, TypeVar

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from sandbox.errors import AssayError
from sandbox.floor import Floor
from sandbox.solution import Solution, describe_validation_error, parse_solution

DType = Literal[
    "float32",
    "float16",
    "bfloat16",
    "float8_e4m3fn",
    "float8_e5m2",
    "float4_e2m1",
    "int64",
    "int32",
    "int16",
    "int8",
    "bool",
]
DEFINITION, WORKLOADS, BASELINE, SETTINGS = PARTS = (
    "definition.json",
    "workloads.jsonl",
    "baseline.json",
    "settings.json",
)
BLOBS = "blobs"

M = TypeVar("M", bound=BaseModel)


class _Model(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Axis(_Model):
    """A dimension: fixed by the definition, or set by each workload."""

    type: Literal["const", "var"]
    value: int | None = Field(default=None, ge=0)
    description: str | None = None


class TensorSpec(_Model):
    """A tensor; `shape` None is a scalar."""

    shape: tuple[str, ...] | None
    dtype: DType
    description: str | None = None


class Definition(_Model):
    """What a kernel must compute, in flashinfer-bench's terms."""

    name: str
    op_type: str
    axes: dict[str, Axis]
    inputs: dict[str, TensorSpec]
    outputs: dict[str, TensorSpec]
    reference: str
    tags: tuple[str, ...] = ()
    description: str | None = None
    constraints: tuple[str, ...] = ()

    def official(self) -> dict[str, Any]:
        """As flashinfer-bench's own model takes it."""
        return self.model_dump(mode="json", exclude_none=True) | {
            side: {
                tensor: spec.model_dump(mode="json", exclude={"description"})
                for tensor, spec in getattr(self, side).items()
            }
            for side in ("inputs", "outputs")
        }


class RandomInput(_Model):
    type: Literal["random"]


class ScalarInput(_Model):
    type: Literal["scalar"]
    value: int | float | bool


class SafetensorsInput(_Model):
    type: Literal["safetensors"]
    path: str
    tensor_key: str


class Workload(_Model):
    """One set of axis values, and where each input comes from."""

    uuid: str
    axes: dict[str, int]
    inputs: dict[
        str,
        Annotated[RandomInput | ScalarInput | SafetensorsInput, Field(discriminator="type")],
    ]


class Rules(_Model):
    """The rules on top of the official verdict; each can be off where a problem declares it."""

    finite: bool = Field(default=True, description="No NaN or Inf the reference does not have.")
    mask_match: bool = Field(default=True, description="NaN and Inf exactly where they should be.")
    integer_exact: bool = Field(default=True, description="Integers and bools are equal.")
    error_cap: bool = Field(default=True, description="No element is off by more than the cap.")
    scale_aware: bool = Field(default=True, description="Error against the output's own scale.")
    inputs_unchanged: bool = Field(default=True, description="Inputs are as they were given.")
    property_inputs: bool = Field(default=True, description="Scaled and outlier inputs as well.")


class Bounds(NamedTuple):
    """How far an output may be off.

    Attributes:
        relative_l2: bound on |out - ref| / |ref|.
        cap: largest error of an element, in units of the larger of itself and the output's RMS.
    """

    relative_l2: float
    cap: float


# About twice what honest kernels of that type were measured to differ (another order of summation,
# intermediates rounded to the output's type, as fused kernels do), and below what accumulating in that
# type or computing in a narrower one costs: `tests/judge/test_rules.py` has both kinds.
DEFAULT_BOUNDS = {
    "float64": Bounds(1e-4, 1e-3),
    "float32": Bounds(1e-4, 1e-3),
    "float16": Bounds(7e-4, 4e-3),
    "bfloat16": Bounds(5e-3, 3e-2),
    "float8_e4m3fn": Bounds(4e-2, 0.15),
    "float8_e5m2": Bounds(8e-2, 0.3),
}


class Settings(_Model):
    """Pinned evaluator settings."""

    rtol: float = Field(default=1e-2, gt=0, description="Official: relative tolerance.")
    atol: float = Field(default=1e-2, gt=0, description="Official: absolute tolerance.")
    required_matched_ratio: float = Field(default=1.0, gt=0, le=1, description="Official.")
    relative_l2: float | None = Field(
        default=None,
        gt=0,
        description="Assay: bound on |out - ref| / |ref| per output. Default by its dtype: float32 "
        "1e-4, float16 7e-4, bfloat16 5e-3, float8 4e-2 (e4m3) and 8e-2 (e5m2).",
    )
    cap: float | None = Field(
        default=None,
        gt=0,
        description="Assay: largest error, in units of the output's RMS. Default by its dtype: "
        "float32 1e-3, float16 4e-3, bfloat16 3e-2, float8 0.15 and 0.3.",
    )
    rules: Rules = Rules()
    floor: Floor | None = Field(
        default=None,
        description="What each call must move and compute, which bounds its latency on a GPU. By "
        "default: its outputs are written.",
    )
    trials: int = Field(default=3, ge=1, le=16, description="Random input sets per workload.")
    quick: tuple[str, ...] = Field(default=(), description="Workloads of a quick run.")

    def bounds(self, dtype: str) -> Bounds:
        """What holds for an output of a dtype, as torch and the definition name it."""
        default = DEFAULT_BOUNDS.get(dtype, DEFAULT_BOUNDS["float32"])
        return Bounds(self.relative_l2 or default.relative_l2, self.cap or default.cap)


class Problem(_Model):
    """A loaded problem."""

    name: str
    definition: Definition
    workloads: tuple[Workload, ...]
    baseline: Solution
    settings: Settings
    root: Path
    sha256: str
    pins: dict[str, str]

    def quick_uuids(self) -> tuple[str, ...]:
        """The workloads of a quick run: those that the settings name, else the first two."""
        return self.settings.quick or tuple(w.uuid for w in self.workloads[:2])


def axes_of(definition: Definition, workload: Workload) -> dict[str, int]:
    """Every axis with its extent under a workload."""
    return {name: _extent(axis, name, workload) for name, axis in definition.axes.items()}


def resolve_shape(
    definition: Definition, spec: TensorSpec, workload: Workload
) -> tuple[int, ...] | None:
    """A tensor's shape under a workload's axes; None for a scalar."""
    if spec.shape is None:
        return None
    return tuple(_extent(definition.axes[axis], axis, workload) for axis in spec.shape)


def load_problem(directory: Path) -> Problem:
    """Read a problem directory.

    Raises:
        AssayError: `invalid_problem`, saying which file and what is wrong in it.
    """
    definition = _parse(directory / DEFINITION, Definition)
    _check_definition(definition, directory)
    workloads = _read_workloads(directory / WORKLOADS, definition)
    baseline = _read_baseline(directory / BASELINE, definition)
    settings_file = directory / SETTINGS
    settings = _parse(settings_file, Settings) if settings_file.is_file() else Settings()
    unknown = set(settings.quick) - {workload.uuid for workload in workloads}
    if unknown:
        raise invalid_problem(settings_file, f"quick names unknown workloads: {sorted(unknown)}")
    for workload in workloads:
        _check_workload(definition, workload, directory)
        if settings.floor is not None:
            _check_floor(settings.floor, definition, workload, settings_file)
    pins = _pins(directory, baseline, settings)
    return Problem(
        name=definition.name,
        definition=definition,
        workloads=workloads,
        baseline=baseline,
        settings=settings,
        root=directory,
        sha256=_manifest_hash(definition.name, pins),
        pins=pins,
    )


def _check_floor(floor: Floor, definition: Definition, workload: Workload, path: Path) -> None:
    try:
        floor.operations_in(axes_of(definition, workload))
    except ValueError as error:
        raise invalid_problem(path, f"floor: {error}") from error


def _pins(directory: Path, baseline: Solution, settings: Settings) -> dict[str, str]:
    pins = {
        "definition": _file_hash(directory / DEFINITION),
        "workloads": _file_hash(directory / WORKLOADS),
        "baseline": baseline.sha256,
        "settings": _settings_hash(settings),
    }
    blobs = directory / BLOBS
    for file in sorted(blobs.rglob("*")) if blobs.is_dir() else []:
        if file.is_symlink():
            raise invalid_problem(file, "links are not allowed among the blobs")
        if file.is_file():
            pins[f"{BLOBS}/{file.relative_to(blobs).as_posix()}"] = _file_hash(file)
    return pins


def _settings_hash(settings: Settings) -> str:
    """A setting that did not exist when a problem was pinned is left out where it says nothing."""
    later = {"floor"} if settings.floor is None else set()
    return hashlib.sha256(settings.model_dump_json(exclude=later).encode()).hexdigest()


def _manifest_hash(name: str, pins: Mapping[str, str]) -> str:
    body = {"format": "kernel-assay/problem/1", "name": name, "pins": dict(pins)}
    return hashlib.sha256(
        json.dumps(body, sort_keys=True, separators=(",", ":")).encode()
    ).hexdigest()


def _file_hash(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _read(path: Path) -> str:
    try:
        return path.read_text("utf-8")
    except (OSError, UnicodeDecodeError) as error:
        raise invalid_problem(path, f"cannot be read: {error}") from error


def _parse(path: Path, model: type[M]) -> M:
    try:
        return model.model_validate_json(_read(path))
    except ValidationError as error:
        raise invalid_problem(path, describe_validation_error(error)) from error


def _read_workloads(path: Path, definition: Definition) -> tuple[Workload, ...]:
    found: dict[str, Workload] = {}
    for number, line in enumerate(_read(path).splitlines(), 1):
        if not line.strip():
            continue
        try:
            body: Any = json.loads(line)
            named = body.get("definition") if isinstance(body, dict) else None
            workload = Workload.model_validate(
                body["workload"] if isinstance(body, dict) and "workload" in body else body
            )
        except ValidationError as error:
            raise invalid_problem(
                path, f"line {number}: {describe_validation_error(error)}"
            ) from error
        except ValueError as error:
            raise invalid_problem(path, f"line {number} is not JSON: {error}") from error
        if named not in (None, definition.name):
            raise invalid_problem(path, f"line {number} is a workload of {named!r}")
        if workload.uuid in found:
            raise invalid_problem(path, f"line {number} repeats the uuid {workload.uuid}")
        found[workload.uuid] = workload
    if not found:
        raise invalid_problem(path, "there is no workload in it")
    return tuple(found.values())


def _read_baseline(path: Path, definition: Definition) -> Solution:
    try:
        baseline = parse_solution(_read(path))
    except AssayError as error:
        raise invalid_problem(path, error.message) from error
    if baseline.definition != definition.name:
        raise invalid_problem(path, f"it is a solution for {baseline.definition!r}")
    return baseline


def _check_definition(definition: Definition, directory: Path) -> None:
    path = directory / DEFINITION
    for name, axis in definition.axes.items():
        if (axis.type == "const") != (axis.value is not None):
            raise invalid_problem(path, f"axis {name!r}: const axes have a value, var axes none")
    both = {**definition.inputs, **definition.outputs}
    if len(both) != len(definition.inputs) + len(definition.outputs):
        raise invalid_problem(path, "an input and an output share one name")
    for name, spec in both.items():
        missing = set(spec.shape or ()) - set(definition.axes)
        if missing:
            raise invalid_problem(path, f"{name!r} uses undeclared axes {sorted(missing)}")
    try:
        tree = ast.parse(definition.reference)
    except (SyntaxError, ValueError) as error:
        raise invalid_problem(path, f"the reference does not parse: {error}") from error
    runs = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "run"]
    if not runs:
        raise invalid_problem(path, "the reference does not define run(…)")


def _check_workload(definition: Definition, workload: Workload, directory: Path) -> None:
    path = directory / WORKLOADS
    variable = {name for name, axis in definition.axes.items() if axis.type == "var"}
    if set(workload.axes) != variable:
        raise invalid_problem(
            path,
            f"workload {workload.uuid}: axes {sorted(workload.axes)}, needed {sorted(variable)}",
        )
    if set(workload.inputs) != set(definition.inputs):
        raise invalid_problem(
            path, f"workload {workload.uuid}: its inputs are not those of the definition"
        )
    if not any(
        source.type == "random" and definition.inputs[name].shape is not None
        for name, source in workload.inputs.items()
    ):
        raise invalid_problem(
            path,
            f"workload {workload.uuid}: none of its tensors is random, so every call has the same "
            "answer, and one that was kept looks like work; make an input random",
        )
    for name, source in workload.inputs.items():
        if isinstance(source, ScalarInput) and definition.inputs[name].shape is not None:
            raise invalid_problem(
                path, f"workload {workload.uuid}: {name!r} is a tensor, not a scalar"
            )
        if isinstance(source, SafetensorsInput):
            relative = PurePosixPath(source.path)
            if relative.is_absolute() or ".." in relative.parts:
                raise invalid_problem(
                    path, f"workload {workload.uuid}: {source.path!r} leaves the problem"
                )
            if not (directory / relative).is_file():
                raise invalid_problem(path, f"workload {workload.uuid}: {source.path} is missing")
            if relative.parts[0] != BLOBS:
                raise invalid_problem(path, f"{source.path!r} must lie below {BLOBS}/")


def _extent(axis: Axis, name: str, workload: Workload) -> int:
    return axis.value if axis.value is not None else workload.axes[name]


def invalid_problem(path: Path, why: str) -> AssayError:
    """What to raise of a problem's file."""
    return AssayError(
        "invalid_problem",
        f"{path.name}: {why}.",
        "A problem directory has definition.json, workloads.jsonl and baseline.json "
        "in flashinfer-bench's formats.",
    )
