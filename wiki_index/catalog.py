"""The catalogue: which sources an operator added to an index, in a file beside it."""

from __future__ import annotations

import json
from pathlib import Path

from sandbox.errors import AssayError
from wiki_index.sources import KINDS, READERS
from wiki_index.sources.base import SourceSpec

FILE = "sources.json"


class Catalogue:
    """The sources of one index directory, by name."""

    def __init__(self, directory: Path) -> None:
        self._file = directory / FILE

    def all(self) -> list[SourceSpec]:
        """Every source, in the order in which they were added."""
        if not self._file.is_file():
            return []
        return [
            SourceSpec.model_validate(item) for item in json.loads(self._file.read_text("utf-8"))
        ]

    def add(self, kind: str, location: str, name: str = "") -> SourceSpec:
        """Add a source. What it holds is read by the next build.

        Raises:
            AssayError: `unknown_source_kind`, `missing_source` or `source_exists`.
        """
        if kind not in READERS:
            raise AssayError(
                "unknown_source_kind",
                f"There is no source kind {kind!r}.",
                f"Kinds: {', '.join(KINDS)}.",
            )
        if kind != "package":
            location = str(Path(location).expanduser().absolute())
        spec = SourceSpec(kind=kind, location=location, name=name)
        if kind == "package":
            next(READERS[kind](spec), None)  # says at once that it is not installed
        else:
            _ = spec.root
        spec = spec.model_copy(update={"name": spec.label})
        held = self.all()
        if any(other.name == spec.name for other in held):
            raise AssayError(
                "source_exists",
                f"A source is named {spec.name!r} already.",
                "Choose another with --name, or remove that one.",
            )
        self._write([*held, spec])
        return spec

    def remove(self, name: str) -> SourceSpec:
        """Forget a source. Its pages leave the index with the next build.

        Raises:
            AssayError: `unknown_source`.
        """
        held = self.all()
        found = next((spec for spec in held if spec.name == name), None)
        if found is None:
            raise AssayError(
                "unknown_source",
                f"No source is named {name!r}.",
                f"There is: {', '.join(spec.name for spec in held) or 'none'}.",
            )
        self._write([spec for spec in held if spec is not found])
        return found

    def _write(self, specs: list[SourceSpec]) -> None:
        self._file.parent.mkdir(parents=True, exist_ok=True)
        temporary = self._file.with_suffix(".new")
        temporary.write_text(json.dumps([spec.model_dump() for spec in specs], indent=1), "utf-8")
        temporary.replace(self._file)
