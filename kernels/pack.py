"""Packs the readable solutions into flashinfer-bench's Solution JSON: `python kernels/pack.py`.

A solution is a directory with its sources and a `solution.json` whose `sources` are paths; beside it
goes `<name>.json` with the contents. The solution named `baseline_*` is also the problem's baseline.
"""

from __future__ import annotations

import json
from pathlib import Path

ROOT = Path(__file__).resolve().parent


def packed(directory: Path) -> str:
    """The Solution JSON of a solution directory."""
    solution = json.loads((directory / "solution.json").read_text("utf-8"))
    solution["sources"] = [
        {"path": path, "content": (directory / path).read_text("utf-8")}
        for path in solution["sources"]
    ]
    return json.dumps(solution, indent=2, ensure_ascii=False) + "\n"


def targets() -> dict[Path, str]:
    """Every file that packing writes, with its content."""
    files: dict[Path, str] = {}
    for head in sorted(ROOT.glob("*/solutions/*/solution.json")):
        directory = head.parent
        text = packed(directory)
        files[directory.with_suffix(".json")] = text
        if directory.name.startswith("baseline_"):
            files[directory.parent.parent / "baseline.json"] = text
    return files


if __name__ == "__main__":
    for path, text in targets().items():
        path.write_text(text, "utf-8")
    print(f"{len(targets())} files written")
