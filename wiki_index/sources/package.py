"""Kernel sources inside an installed package: found by its metadata, never imported."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterator
from pathlib import Path

from sandbox.errors import AssayError
from wiki_index.page import Page
from wiki_index.sources.base import Skipped, SourceSpec, slug
from wiki_index.sources.checkout import code_pages
from wiki_index.sources.symbols import SUFFIXES

_LICENCE = ("License-Expression", "License")


def read(spec: SourceSpec) -> Iterator[Page | Skipped]:
    """Every file of code that the package installed.

    Raises:
        AssayError: `missing_source` if no package of that name is installed.
    """
    try:
        found = importlib.metadata.distribution(spec.location)
    except (importlib.metadata.PackageNotFoundError, ValueError) as error:
        raise AssayError(
            "missing_source",
            f"No package {spec.location!r} is installed here.",
            "Name a distribution as pip does: flashinfer-python, nvidia-cutlass-dsl, triton.",
        ) from error
    meta = found.metadata
    site = Path(str(found.locate_file(""))).resolve()
    files = sorted(
        (Path(str(found.locate_file(file))), file.as_posix())
        for file in found.files or ()
        if file.suffix in SUFFIXES
    )
    inside = [
        (path, name)
        for path, name in files
        if path.is_file() and path.resolve().is_relative_to(site)
    ]
    shared = {
        "origin": f"{found.name} {found.version}",
        "revision": found.version,
        "licence": next((str(meta[name])[:80] for name in _LICENCE if name in meta), ""),
    }
    yield from code_pages(inside, spec.name or slug(found.name), shared, "")
