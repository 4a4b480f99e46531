"""The solution store: canonical forms by content hash, checked on every read."""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from sandbox.errors import AssayError
from sandbox.solution import Solution
from server.records import FileVersion, SolutionRecord

_ID = re.compile(r"sol_[0-9a-f]{32}")


def describe(solution: Solution) -> SolutionRecord:
    """The record of a solution: what it is, and the hash of each of its files."""
    return SolutionRecord(
        solution_id=solution.solution_id,
        sha256=solution.sha256,
        definition=solution.definition,
        language=solution.spec.language,
        name=solution.name,
        entry_point=solution.spec.entry_point,
        files=tuple(
            FileVersion(
                path=source.path,
                sha256=hashlib.sha256(source.content.encode()).hexdigest(),
                size_bytes=len(source.content.encode()),
            )
            for source in solution.sources
        ),
    )


class SolutionStore:
    """Solutions as JSON files, named by solution id."""

    def __init__(self, root: Path) -> None:
        self._root = root

    def put(self, solution: Solution) -> None:
        """Store a solution durably; the first one with some content stays."""
        target = self._root / f"{solution.solution_id}.json"
        if target.exists():
            return
        descriptor, temporary = tempfile.mkstemp(dir=self._root, prefix=".new-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            file.write(solution.model_dump_json())
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o400)
        Path(temporary).replace(target)

    def get(self, solution_id: str) -> Solution:
        """Read a solution back.

        Raises:
            AssayError: `unknown_solution`, or `solution_corrupt` if its content no longer matches.
        """
        file = self._root / f"{solution_id}.json"
        if not _ID.fullmatch(solution_id) or not file.is_file():
            raise AssayError(
                "unknown_solution",
                f"There is no solution {solution_id[:80]!r}.",
                "compile_kernel stores a solution and returns its id.",
            )
        solution = Solution.model_validate_json(file.read_bytes())
        if solution.solution_id != solution_id:
            raise AssayError(
                "solution_corrupt",
                f"Solution {solution_id} was changed on disk.",
                "Submit it again with compile_kernel and tell the operator.",
            )
        return solution
