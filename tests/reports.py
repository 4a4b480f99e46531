"""The reports that come with the project, unpacked for as long as the tests run."""

from __future__ import annotations

import lzma
import tempfile
from functools import cache
from pathlib import Path

REPORTS = Path(__file__).resolve().parents[1] / "kernels" / "reports"
_UNPACKED = tempfile.TemporaryDirectory(prefix="reports-")


@cache
def report_file(name: str) -> Path:
    """A report as Nsight Compute wrote it."""
    target = Path(_UNPACKED.name) / f"{name}.ncu-rep"
    target.write_bytes(lzma.decompress((REPORTS / f"{name}.ncu-rep.xz").read_bytes()))
    return target
