"""The judge's process: jobs in on standard input, results out on standard output, JSON lines.

Imports torch and flashinfer-bench. Prints of libraries go to standard error.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import Any

from sandbox.box import open_sandbox
from sandbox.errors import AssayError
from sandbox.judge.models import BenchJob
from sandbox.warm import Zygote


def main(work: Path) -> None:
    """Serve jobs until standard input ends."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        protocol.write(json.dumps(message) + "\n")
        protocol.flush()

    from sandbox.judge.pool import Pool

    pool: Pool | None = None
    for line in sys.stdin:
        try:
            job = BenchJob.model_validate_json(line)
            if pool is None:
                zygote = Zygote(open_sandbox(work))
                zygote.start()  # it imports torch while this process does
                pool = Pool(zygote)
            from sandbox.judge.evaluate import evaluate

            result = evaluate(
                job, pool, lambda fraction, doing: say({"progress": [fraction, doing]})
            )
            say({"result": result.model_dump(mode="json")})
        except AssayError as error:
            say({"error": [error.code, error.message, error.hint]})
        if pool is not None:
            pool.fill()
    if pool is not None:
        pool.close()


if __name__ == "__main__":
    main(Path(sys.argv[1]))
