"""Reading Nsight Compute reports in the sandbox: native code on files that candidates had a hand in."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import ncu
from ncu.reader import Run
from sandbox.box import Command, Limits, Sandbox
from sandbox.runtime import LIBRARY, Mount, python

_READER = "/sandbox/reader"
_REPORT = "/sandbox/in/report"
# The answer may be longer than what is kept of a command's output, and the worker may write no file.
_SCRIPT = '"$@" | cat > /sandbox/out/answer'
_WORKER = (
    f"import sys; sys.path[:0] = [{_READER!r}, {LIBRARY!r}]; from ncu.read import main; main()"
)


def sandboxed(sandbox: Sandbox) -> Run:
    """A way for `read_report` to run its worker: without network, host files or the server's uid."""

    def run(argv: Sequence[str], timeout_s: float) -> bytes:
        path, metrics = argv[-2:]
        done = sandbox.run(
            Command(
                argv=(
                    *("/bin/sh", "-c", _SCRIPT, "sh"),
                    *(python(), "-I", "-B", "-c", _WORKER, _REPORT, metrics),
                ),
                files={"report": Path(path).read_bytes()},
                mounts=(Mount(Path(ncu.__file__).resolve().parent, f"{_READER}/ncu"),),
                limits=Limits(wall_s=timeout_s, cpu_s=max(2, int(timeout_s) * 2), processes=16),
            )
        )
        return done.outputs.get("answer", b"")

    return run
