"""The worker that reads a report: `python -m ncu.read FILE [METRICS]`. One file, one process, one answer.

NVIDIA's reader is native code fed with an untrusted file, so it never runs in the server. This
process limits itself, reads, prints one JSON object (`{"summary": …}` or `{"error": …}`) and ends.
What it prints is checked against the models by `ncu.reader` before anyone believes it.
"""

from __future__ import annotations

import json
import os
import resource
import sys
from pathlib import Path

from sandbox.errors import AssayError

MEMORY_BYTES = 4 << 30
CPU_S = 120
OPEN_FILES = 64


def limit() -> None:
    """Lower this process's limits, for good."""
    for what, most in (
        (resource.RLIMIT_AS, MEMORY_BYTES),
        (resource.RLIMIT_CPU, CPU_S),
        (resource.RLIMIT_NOFILE, OPEN_FILES),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
    ):
        _, hard = resource.getrlimit(what)
        bound = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (bound, bound))


def answer(path: Path, wanted: str) -> dict[str, object]:
    """The report as JSON data, or why there is none."""
    try:
        from ncu.container import scan
        from ncu.extract import summarise

        return {"summary": summarise(path, scan(path), wanted).model_dump(mode="json")}
    except AssayError as error:
        return {"error": {"code": error.code, "message": error.message, "hint": error.hint}}
    except MemoryError:
        return {
            "error": {
                "code": "report_too_large",
                "message": f"Reading the report needs more than {MEMORY_BYTES >> 30} GiB.",
                "hint": "Capture fewer kernels: ncu -k regex:NAME -c 1.",
            }
        }


def main() -> None:
    """Read the file named by the first argument; keep metrics whose names contain the second."""
    # The native library may print; only our answer may reach the pipe.
    pipe = os.dup(1)
    os.dup2(2, 1)
    limit()
    with os.fdopen(pipe, "w") as out:
        json.dump(answer(Path(sys.argv[1]), "".join(sys.argv[2:3])), out)


if __name__ == "__main__":
    main()
