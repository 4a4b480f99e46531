"""All benchmarks, one after the other: `make bench`. Each also runs alone and takes --help."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent


def main() -> int:
    """Run each; say which failed."""
    failed = []
    for script in sorted(HERE.glob("*.py")):
        if script.name in ("run.py", "adversarial.py"):
            continue
        print(f"\n== {script.stem}", flush=True)
        if subprocess.run([sys.executable, str(script)], cwd=HERE.parent, check=False).returncode:
            failed.append(script.stem)
    if failed:
        print(f"failed: {', '.join(failed)}")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main())
