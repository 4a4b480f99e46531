"""Pinning: a problem is copied to where it stays, and checked against its hash whenever it is used."""

from __future__ import annotations

import shutil
from pathlib import Path

from sandbox.errors import AssayError
from sandbox.problem import BLOBS, PARTS, Problem, invalid_problem, load_problem


def pin_problem(source: Path, destination: Path) -> Problem:
    """Copy a problem to where it stays, read-only, and return it as loaded from there."""
    checked = load_problem(source)
    temporary = destination.with_name(f".{destination.name}.new")
    shutil.rmtree(temporary, ignore_errors=True)
    temporary.mkdir(parents=True, mode=0o700)
    for part in PARTS:
        if (source / part).is_file():
            shutil.copyfile(source / part, temporary / part)
    for name in checked.pins:
        if name.startswith(f"{BLOBS}/"):
            target = temporary / name
            target.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(source / name, target)
    for file in temporary.rglob("*"):
        if file.is_file():
            file.chmod(0o400)
    shutil.rmtree(destination, ignore_errors=True)
    temporary.rename(destination)
    pinned = load_problem(destination)
    if pinned.sha256 != checked.sha256:
        raise invalid_problem(source, "its files changed while they were copied")
    return pinned


def verify_problem(directory: Path, sha256: str) -> Problem:
    """Load a pinned problem and check that it is still the one that was pinned.

    Raises:
        AssayError: `problem_tampered`.
    """
    try:
        problem = load_problem(directory)
    except AssayError as error:
        raise AssayError(
            "problem_tampered",
            f"The pinned problem in {directory.name} is damaged: {error.message}",
            "The operator must restore it from where it was pinned.",
        ) from error
    if problem.sha256 != sha256:
        raise AssayError(
            "problem_tampered",
            f"Problem {problem.name} is not the one that was pinned: "
            f"hash {problem.sha256[:16]}…, expected {sha256[:16]}….",
            "The operator must restore it; no run counts until then.",
        )
    return problem
