"""First findings on kernels whose bottleneck is known, beside a plain threshold tree.

The tree is the usual first look: DRAM, L1, SM busy, occupancy, in this order, six answers. It can only say
which unit is busy; it is right here if it says what `coarse` allows it to say. Its thresholds are ours.

    python benchmarks/diagnosis.py            the reports that come with the project
    python benchmarks/diagnosis.py --known FILE --unseen FILE     other captures of the same kernels

`known` was looked at while thresholds were set; `unseen` was written afterwards and never changed one.
"""

from __future__ import annotations

import argparse
import json
import lzma
import sys
import tempfile
from pathlib import Path
from typing import Any

REPORTS = Path(__file__).resolve().parents[1] / "kernels" / "reports"
SETS = ("known", "unseen")


def tree(kernel: Any) -> str:
    """What the busiest unit alone says."""
    dram, memory = kernel.dram_throughput_pct or 0.0, kernel.memory_throughput_pct or 0.0
    busy, occupancy = kernel.compute_throughput_pct or 0.0, kernel.achieved_occupancy_pct or 0.0
    if dram > 70:
        return "DRAM"
    if memory > 70 and dram < 30:
        return "L1"
    if busy > 70:
        return "COMPUTE"
    if occupancy < 30:
        return "OCCUPANCY"
    if busy < 50 and memory < 50:
        return "LATENCY"
    return "MIXED"


def unpacked(path: Path, directory: Path) -> Path:
    """A report, without its compression."""
    if path.suffix != ".xz":
        return path
    target = directory / path.stem
    target.write_bytes(lzma.decompress(path.read_bytes()))
    return target


def compared(path: Path, expected: list[dict[str, str]]) -> list[dict[str, Any]]:
    """A row for each launch of a report."""
    from ncu.findings import findings
    from ncu.reader import read_report

    with tempfile.TemporaryDirectory() as scratch:
        kernels = read_report(unpacked(path, Path(scratch))).kernels
    rows = []
    for known, kernel in zip(expected, kernels, strict=True):
        assert kernel.short_name == known["kernel"], kernel.short_name
        first, coarse = findings(kernel)[0].id, tree(kernel)
        rows.append(
            {
                "kernel": known["kernel"],
                "known": known["first"],
                "found": first,
                "right": first == known["first"],
                "tree": coarse,
                "tree_right": coarse == known["coarse"],
            }
        )
    return rows


def show(name: str, rows: list[dict[str, Any]]) -> None:
    """A table, wrong answers in bold."""
    print(f"\n| {name} | bottleneck | first finding | threshold tree |\n|---|---|---|---|")
    for row in rows:
        found = row["found"] if row["right"] else f"**{row['found']}**"
        coarse = row["tree"] if row["tree_right"] else f"**{row['tree']}**"
        print(f"| `{row['kernel']}` | {row['known']} | {found} | {coarse} |")
    right, tree_right = (sum(row[key] for row in rows) for key in ("right", "tree_right"))
    print(f"\nRight: {right} of {len(rows)}; the tree, of which less is asked: {tree_right}.")


def main() -> int:
    """Print both tables; fail if a first finding on the known set is wrong."""
    sys.path.insert(0, str(REPORTS.parents[1]))
    parser = argparse.ArgumentParser(description=__doc__)
    for name in SETS:
        parser.add_argument(f"--{name}", type=Path, default=REPORTS / f"{name}.ncu-rep.xz")
    parser.add_argument("--json", action="store_true")
    options = vars(parser.parse_args())
    tables = {
        name: compared(options[name], json.loads((REPORTS / f"{name}.json").read_text()))
        for name in SETS
    }
    if options["json"]:
        print(json.dumps(tables))
    else:
        for name, rows in tables.items():
            show(name, rows)
    return 0 if all(row["right"] for row in tables["known"]) else 1


if __name__ == "__main__":
    sys.exit(main())
