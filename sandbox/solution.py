"""Solutions: the unit of work that an agent hands in, in flashinfer-bench's format.

The models mirror flashinfer-bench's `Solution` schema without importing it (its package pulls in
torch, and the server process must stay light). The identity of a solution is *ours*: the official
`Solution.hash()` joins fields without separators and leaves `destination_passing_style` out, so
different solutions can share one hash.
"""

from __future__ import annotations

import hashlib
import json
from pathlib import PurePosixPath
from typing import Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator, model_validator

from sandbox.errors import AssayError

Language = Literal["python", "triton", "cpp", "cuda"]

MAX_SOURCE_BYTES = 1 << 20
MAX_SOURCES = 64


class SourceFile(BaseModel):
    """One source file of a solution."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    path: str = Field(
        description="Path relative to the solution's root, with forward slashes, e.g. 'main.py'.",
        max_length=200,
    )
    content: str = Field(description="The whole text of the file (UTF-8, at most 1 MiB).")

    @field_validator("path")
    @classmethod
    def _relative(cls, path: str) -> str:
        pure = PurePosixPath(path)
        if not path or pure.is_absolute() or ".." in pure.parts or str(pure) != path:
            raise ValueError(f"source path {path!r} must be relative, normalised and without '..'")
        if any(ord(c) < 32 for c in path) or "\\" in path:
            raise ValueError(f"source path {path!r} has control characters or backslashes")
        return path

    @field_validator("content")
    @classmethod
    def _bounded(cls, content: str) -> str:
        if len(content.encode("utf-8", "surrogatepass")) > MAX_SOURCE_BYTES:
            raise ValueError(f"a source file is limited to {MAX_SOURCE_BYTES} bytes")
        if "\0" in content:
            raise ValueError("a source file must not contain NUL bytes")
        return content


class BuildSpec(BaseModel):
    """How a solution is built and entered."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    language: Language = Field(description="'python' (torch), 'triton', 'cpp' or 'cuda' (tvm-ffi).")
    target_hardware: tuple[str, ...] = Field(
        default=(), description="Informative, e.g. ['NVIDIA B200']; not used to choose a target."
    )
    entry_point: str = Field(
        description="'file::function', e.g. 'main.py::run' or 'kernel.cu::run'.", max_length=300
    )
    dependencies: tuple[str, ...] = Field(
        default=(), description="Informative; nothing is fetched."
    )
    destination_passing_style: bool = Field(
        default=True,
        description="true (the default): run(*inputs, *outputs) writes into outputs; "
        "false: run(*inputs) returns them.",
    )
    binding: Literal["tvm-ffi", "torch"] | None = Field(
        default=None, description="For cpp and cuda: 'tvm-ffi' (the default). 'torch' is refused."
    )

    @field_validator("entry_point")
    @classmethod
    def _entry_point(cls, value: str) -> str:
        file, separator, symbol = value.partition("::")
        if not separator or not file or not symbol.isidentifier():
            raise ValueError(f"entry_point {value!r} must look like 'main.py::run'")
        return value

    @property
    def entry_file(self) -> str:
        return self.entry_point.partition("::")[0]

    @property
    def entry_symbol(self) -> str:
        return self.entry_point.partition("::")[2]


class Solution(BaseModel):
    """A kernel and how to call it, for one definition."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str = Field(description="A label for people; not part of the identity.", max_length=200)
    definition: str = Field(description="Name of the definition it implements.", max_length=200)
    author: str = Field(default="", description="A label for people.", max_length=200)
    description: str = Field(default="", max_length=20_000)
    spec: BuildSpec
    sources: tuple[SourceFile, ...] = Field(min_length=1, max_length=MAX_SOURCES)

    @model_validator(mode="after")
    def _consistent(self) -> Solution:
        paths = [source.path for source in self.sources]
        if len(set(paths)) != len(paths):
            raise ValueError("two source files share one path")
        if self.spec.entry_file not in paths:
            raise ValueError(
                f"entry_point names {self.spec.entry_file!r}, but sources hold {sorted(paths)}"
            )
        return self

    def canonical(self) -> bytes:
        """The bytes that identify the solution: everything that can change what it does.

        Name, author and description are labels and stay out, so that relabelling a solution does
        not make it a new one.
        """
        body = {
            "format": "kernel-assay/solution/1",
            "definition": self.definition,
            "spec": self.spec.model_dump(mode="json"),
            "sources": sorted([s.path, s.content] for s in self.sources),
        }
        return json.dumps(body, sort_keys=True, separators=(",", ":"), ensure_ascii=True).encode()

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical form, 64 hex digits."""
        return hashlib.sha256(self.canonical()).hexdigest()

    @property
    def solution_id(self) -> str:
        """`sol_` and the first 128 bits of the hash."""
        return f"sol_{self.sha256[:32]}"


def parse_solution(text: str | bytes) -> Solution:
    """Parse a flashinfer-bench Solution from JSON.

    Raises:
        AssayError: `invalid_solution`, naming each field that is wrong.
    """
    try:
        return Solution.model_validate_json(text)
    except ValidationError as error:
        raise AssayError(
            "invalid_solution",
            "Not a valid solution: " + describe_validation_error(error),
            "A solution is flashinfer-bench's Solution JSON: name, definition, spec "
            "{language, entry_point 'file::function', destination_passing_style}, "
            "sources [{path, content}].",
        ) from error


def describe_validation_error(error: ValidationError) -> str:
    """One line per wrong field, without echoing the (possibly huge) input back."""
    lines = []
    for item in error.errors(include_url=False, include_input=False)[:8]:
        where = ".".join(str(part) for part in item["loc"]) or "(root)"
        lines.append(f"{where}: {item['msg']}")
    more = error.error_count() - len(lines)
    return "; ".join(lines) + (f"; and {more} more" if more > 0 else "")
