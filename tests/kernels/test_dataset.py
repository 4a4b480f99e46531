"""Trace sets on disk: one that works, and each way in which one does not."""

from __future__ import annotations

import json
import struct
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from flashinfer_bench.data import TraceSet

from sandbox.dataset import problem_from_dataset
from sandbox.errors import AssayError
from sandbox.pinning import pin_problem, verify_problem
from sandbox.problem import load_problem

DEFINITION = {
    "name": "gather_rows",
    "op_type": "gather",
    "axes": {"n": {"type": "var"}, "d": {"type": "const", "value": 4}},
    "inputs": {
        "x": {"shape": ["n", "d"], "dtype": "float32"},
        "index": {"shape": ["n"], "dtype": "int32"},
    },
    "outputs": {"y": {"shape": ["n", "d"], "dtype": "float32"}},
    "reference": "def run(x, index):\n    return x[index.long()]\n",
}
SOLUTION = {
    "name": "plain",
    "definition": "gather_rows",
    "author": "test",
    "spec": {
        "language": "python",
        "target_hardware": ["CPU"],
        "entry_point": "main.py::run",
        "destination_passing_style": True,
    },
    "sources": [{"path": "main.py", "content": "def run(x, i, y):\n    y.copy_(x[i.long()])\n"}],
}
BLOB = "blob/workloads/gather/gather_rows/one.safetensors"


def safetensors(shape: list[int], dtype: str = "I32") -> bytes:
    data = struct.pack(f"<{shape[0]}i", *range(shape[0]))
    header = json.dumps(
        {"index": {"dtype": dtype, "shape": shape, "data_offsets": [0, len(data)]}}
    ).encode()
    return struct.pack("<Q", len(header)) + header + data


def write(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    if isinstance(content, bytes):
        path.write_bytes(content)
    else:
        path.write_text(content if isinstance(content, str) else json.dumps(content))


def workload(**changes: Any) -> dict[str, Any]:
    return {
        "definition": "gather_rows",
        "workload": {
            "uuid": "one",
            "axes": {"n": 8},
            "inputs": {
                "x": {"type": "random"},
                "index": {"type": "safetensors", "path": BLOB, "tensor_key": "index"},
            },
            **changes,
        },
        "solution": None,
        "evaluation": None,
    }


@pytest.fixture
def dataset(tmp_path: Path) -> Path:
    root = tmp_path / "set"
    write(root / "definitions/gather/gather_rows.json", DEFINITION)
    write(root / "workloads/gather/gather_rows.jsonl", json.dumps(workload()) + "\n")
    write(root / "solutions/test/gather/gather_rows/plain.json", SOLUTION)
    write(root / BLOB, safetensors([8]))
    return root


def test_a_trace_set_becomes_a_problem(dataset: Path, tmp_path: Path) -> None:
    assert TraceSet.from_path(str(dataset)).definitions  # the official reader agrees
    made = problem_from_dataset(dataset, "gather_rows", "plain", tmp_path / "p")
    problem = load_problem(made)
    assert problem.baseline.name == "plain"
    assert problem.workloads[0].uuid == "one"
    pinned = pin_problem(made, tmp_path / "pinned" / "gather_rows")
    assert pinned.sha256 == problem.sha256
    assert any(name.startswith("blobs/") for name in pinned.pins)
    verify_problem(pinned.root, problem.sha256)


def change(relative: str, content: Any) -> Callable[[Path], None]:
    return lambda root: write(root / relative, content)


def remove(relative: str) -> Callable[[Path], None]:
    return lambda root: (root / relative).unlink()


LINES = "workloads/gather/gather_rows.jsonl"
BROKEN: dict[str, tuple[Callable[[Path], None], str]] = {
    "no definition": (remove("definitions/gather/gather_rows.json"), "no definition"),
    "definition not JSON": (change("definitions/gather/gather_rows.json", "{"), "definition.json"),
    "no workloads": (remove(LINES), "no workloads"),
    "empty workloads": (change(LINES, "\n"), "no workload"),
    "workload not JSON": (change(LINES, "{"), "line 1"),
    "foreign workload": (change(LINES, {**workload(), "definition": "other"}), "other"),
    "axis missing": (change(LINES, workload(axes={})), "axes"),
    "axis undeclared": (change(LINES, workload(axes={"n": 8, "z": 1})), "axes"),
    "input missing": (change(LINES, workload(inputs={"x": {"type": "random"}})), "inputs"),
    "no solution": (remove("solutions/test/gather/gather_rows/plain.json"), "no solution"),
    "two solutions": (change("solutions/other/plain.json", SOLUTION), "several"),
    "solution for another": (
        change("solutions/test/gather/gather_rows/plain.json", {**SOLUTION, "definition": "o"}),
        "is for",
    ),
    "blob missing": (remove(BLOB), "missing"),
    "blob is a pointer": (
        change(BLOB, b"version https://git-lfs.github.com/spec/v1\noid sha256:0\n"),
        "LFS",
    ),
    "blob is garbage": (change(BLOB, b"\xff" * 64), "safetensors"),
    "blob is short": (change(BLOB, b"abc"), "safetensors"),
    "blob has another shape": (change(BLOB, safetensors([7])), "asks for"),
    "blob has another type": (change(BLOB, safetensors([8], "F32")), "asks for"),
    "tensor key missing": (
        change(
            LINES,
            workload(
                inputs={
                    "x": {"type": "random"},
                    "index": {"type": "safetensors", "path": BLOB, "tensor_key": "no"},
                }
            ),
        ),
        "no tensor",
    ),
    "nothing random": (
        change(
            LINES,
            workload(
                inputs={
                    name: {"type": "safetensors", "path": BLOB, "tensor_key": "index"}
                    for name in ("x", "index")
                }
            ),
        ),
        "none of its tensors is random",
    ),
    "path leaves the set": (
        change(
            LINES,
            workload(
                inputs={
                    "x": {"type": "random"},
                    "index": {
                        "type": "safetensors",
                        "path": "../../../../etc/passwd",
                        "tensor_key": "index",
                    },
                }
            ),
        ),
        "outside",
    ),
}


@pytest.mark.parametrize("name", sorted(BROKEN))
def test_what_is_wrong_is_named(dataset: Path, tmp_path: Path, name: str) -> None:
    breaking, words = BROKEN[name]
    breaking(dataset)
    with pytest.raises(AssayError) as caught:
        problem_from_dataset(dataset, "gather_rows", "plain", tmp_path / "p")
    assert words in f"{caught.value.message} {caught.value.hint}"


def test_near_names_are_offered(dataset: Path, tmp_path: Path) -> None:
    with pytest.raises(AssayError) as caught:
        problem_from_dataset(dataset, "gather_row", "plain", tmp_path / "p")
    assert "gather_rows" in caught.value.hint
    with pytest.raises(AssayError) as caught:
        problem_from_dataset(dataset, "gather_rows", "pain", tmp_path / "p")
    assert "plain" in caught.value.hint
    with pytest.raises(AssayError, match="not a trace set"):
        problem_from_dataset(tmp_path / "nowhere", "a", "b", tmp_path / "p")


@pytest.mark.parametrize(
    "part", ["definition.json", "workloads.jsonl", "baseline.json", "settings.json", "blobs"]
)
def test_a_pinned_problem_cannot_be_changed_unseen(
    dataset: Path, tmp_path: Path, part: str
) -> None:
    made = problem_from_dataset(dataset, "gather_rows", "plain", tmp_path / "p")
    pinned = pin_problem(made, tmp_path / "pinned" / "gather_rows")
    target = pinned.root / part
    if part == "blobs":
        target = next(target.rglob("*.safetensors"))
    if target.exists():
        target.chmod(0o600)
    if part == "settings.json":
        target.write_text('{"rtol": 0.5}')
    elif part == "blobs":
        target.write_bytes(target.read_bytes()[:-4] + b"\x01\x00\x00\x00")
    else:
        target.write_text(target.read_text().replace("gather", "gathre", 1))
    with pytest.raises(AssayError) as caught:
        verify_problem(pinned.root, pinned.sha256)
    assert caught.value.code == "problem_tampered"
