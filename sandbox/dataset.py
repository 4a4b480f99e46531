"""FlashInfer-Bench trace sets: take one definition with a baseline out, as a problem directory.

Layout, as flashinfer-bench documents it: `definitions/<op_type>/<name>.json`,
`workloads/<op_type>/<name>.jsonl`, `solutions/**/<solution>.json`, tensors in safetensors files whose
paths are relative to the root. The headers of these are read here without loading any tensor.
"""

from __future__ import annotations

import json
import shutil
import struct
from difflib import get_close_matches
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from sandbox.problem import (
    BASELINE,
    BLOBS,
    DEFINITION,
    WORKLOADS,
    Definition,
    Problem,
    SafetensorsInput,
    Workload,
    load_problem,
    resolve_shape,
)
from sandbox.solution import Solution, parse_solution

SAFETENSORS_DTYPES = {
    "F32": "float32",
    "F16": "float16",
    "BF16": "bfloat16",
    "F8_E4M3": "float8_e4m3fn",
    "F8_E5M2": "float8_e5m2",
    "I64": "int64",
    "I32": "int32",
    "I16": "int16",
    "I8": "int8",
    "BOOL": "bool",
}
MAX_HEADER_BYTES = 64 << 20
LFS_POINTER = b"version https://git-lfs"


def problem_from_dataset(root: Path, definition: str, baseline: str, destination: Path) -> Path:
    """Write the problem directory of a definition and a baseline; return it.

    Raises:
        AssayError: `invalid_dataset`, saying what is missing, malformed or inconsistent.
    """
    root = root.resolve()
    if not (root / "definitions").is_dir():
        raise _invalid(f"{root} has no definitions/ directory, so it is not a trace set")
    definition_file = _definition_file(root, definition)
    workloads_file = _workloads_file(root, definition_file, definition)
    solution = _solution(root, definition, baseline)
    destination.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(definition_file, destination / DEFINITION)
    (destination / BASELINE).write_text(solution.model_dump_json(indent=1), "utf-8")
    lines = [
        json.dumps(_localised(entry, root, destination))
        for entry in _entries(workloads_file, definition)
    ]
    (destination / WORKLOADS).write_text("\n".join(lines) + "\n", "utf-8")
    problem = load_problem(destination)
    check_blobs(problem)
    return destination


def check_blobs(problem: Problem) -> None:
    """Check that every safetensors input has the shape and type that the definition asks for.

    Raises:
        AssayError: `invalid_dataset`.
    """
    for workload in problem.workloads:
        for name, source in workload.inputs.items():
            if isinstance(source, SafetensorsInput):
                _check_tensor(problem.definition, workload, name, source, problem.root)


def read_header(path: Path) -> dict[str, Any]:
    """The header of a safetensors file: tensor name → {dtype, shape, data_offsets}.

    Raises:
        AssayError: `invalid_dataset`; a Git LFS pointer is recognised.
    """
    try:
        with path.open("rb") as file:
            start = file.read(8)
            if start == LFS_POINTER[:8]:
                raise _invalid(
                    f"{path.name} is a Git LFS pointer, not the file itself", "Run: git lfs pull"
                )
            size = struct.unpack("<Q", start)[0] if len(start) == 8 else 0
            if not 2 <= size <= MAX_HEADER_BYTES:
                raise _invalid(f"{path.name} is not a safetensors file")
            header = json.loads(file.read(size))
    except (OSError, ValueError) as error:
        raise _invalid(f"{path.name} cannot be read as safetensors: {error}") from error
    if not isinstance(header, dict):
        raise _invalid(f"{path.name} is not a safetensors file")
    return header


def _definition_file(root: Path, name: str) -> Path:
    files = {path.stem: path for path in sorted((root / "definitions").rglob("*.json"))}
    if name not in files:
        near = get_close_matches(name, files, n=3, cutoff=0.3) or sorted(files)[:3]
        raise _invalid(f"it has no definition {name!r}", f"It has: {', '.join(near)}.")
    return files[name]


def _workloads_file(root: Path, definition_file: Path, name: str) -> Path:
    path = root / "workloads" / definition_file.parent.name / f"{name}.jsonl"
    if not path.is_file():
        raise _invalid(f"it has no workloads for {name}: {path.relative_to(root)} is missing")
    return path


def _solution(root: Path, definition: str, name: str) -> Solution:
    found: list[tuple[Path, dict[str, Any]]] = []
    of_definition: list[str] = []
    for path in sorted((root / "solutions").rglob("*.json")):
        try:
            body = json.loads(path.read_text("utf-8"))
        except (OSError, ValueError):
            continue  # some other solution's file; the one that is asked for is parsed below
        if not isinstance(body, dict):
            continue
        if body.get("definition") == definition:
            of_definition.append(str(body.get("name")))
        if body.get("name") == name:
            found.append((path, body))
    if not found:
        raise _invalid(
            f"it has no solution {name!r}",
            f"Solutions of {definition}: {', '.join(of_definition[:8]) or 'none'}.",
        )
    if len(found) > 1:
        places = ", ".join(str(path.relative_to(root)) for path, _ in found)
        raise _invalid(f"several solutions are named {name!r}: {places}")
    path, body = found[0]
    if body.get("definition") != definition:
        raise _invalid(f"solution {name!r} is for {body.get('definition')!r}, not {definition!r}")
    return parse_solution(path.read_text("utf-8"))


def _entries(path: Path, definition: str) -> list[dict[str, Any]]:
    entries = []
    for number, line in enumerate(path.read_text("utf-8").splitlines(), 1):
        if not line.strip():
            continue
        try:
            entry = json.loads(line)
            named, workload = entry["definition"], entry["workload"]
        except (ValueError, KeyError, TypeError) as error:
            raise _invalid(f"{path.name}, line {number}: not a workload trace ({error})") from error
        if named != definition:
            raise _invalid(f"{path.name}, line {number}: a workload of {named!r}")
        entries.append({"definition": named, "workload": workload})
    return entries


def _localised(entry: dict[str, Any], root: Path, destination: Path) -> dict[str, Any]:
    """The entry with its tensors copied below `blobs/`, whatever their path was."""
    workload = dict(entry["workload"])
    inputs = dict(workload.get("inputs") or {})
    for name, source in inputs.items():
        if not isinstance(source, dict) or source.get("type") != "safetensors":
            continue
        given = str(source.get("path"))
        path = (root / given).resolve()
        if not path.is_relative_to(root):
            raise _invalid(f"workload {workload.get('uuid')}: {given!r} lies outside the trace set")
        if not path.is_file():
            raise _invalid(f"workload {workload.get('uuid')}: {given} is missing")
        read_header(path)
        local = f"{BLOBS}/{path.relative_to(root).as_posix()}"
        target = destination / local
        target.parent.mkdir(parents=True, exist_ok=True)
        if not target.exists():
            shutil.copyfile(path, target)
        inputs[name] = {**source, "path": local}
    return {**entry, "workload": {**workload, "inputs": inputs}}


def _check_tensor(
    definition: Definition, workload: Workload, name: str, source: SafetensorsInput, root: Path
) -> None:
    header = read_header(root / source.path)
    tensor = header.get(source.tensor_key)
    if not isinstance(tensor, dict):
        keys = ", ".join(key for key in header if key != "__metadata__")
        raise _invalid(
            f"workload {workload.uuid}: {source.path} has no tensor {source.tensor_key!r}",
            f"It has: {keys}.",
        )
    spec = definition.inputs[name]
    shape = list(resolve_shape(definition, spec, workload) or ())
    dtype = SAFETENSORS_DTYPES.get(str(tensor.get("dtype")))
    if tensor.get("shape") != shape or dtype != spec.dtype:
        raise _invalid(
            f"workload {workload.uuid}: {name} is {dtype} {tensor.get('shape')} in {source.path}, "
            f"the definition asks for {spec.dtype} {shape}"
        )


def _invalid(why: str, hint: str = "") -> AssayError:
    return AssayError("invalid_dataset", f"The trace set cannot be used: {why}.", hint)
