"""The judge's process: jobs in on standard input, results out on standard output, JSON lines.

Imports torch and flashinfer-bench. Prints of libraries go to standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from sandbox.box import Sandbox, open_sandbox
from sandbox.errors import AssayError, SandboxFailure
from sandbox.gpu import Gpu, find_gpu, lease
from sandbox.judge.models import BenchJob
from sandbox.warm import Zygote


def main(work: Path) -> None:
    """Serve jobs until standard input ends."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        protocol.write(json.dumps(message) + "\n")
        protocol.flush()

    from sandbox.judge.arm import PROCESSORS, RUNNERS_OWN
    from sandbox.judge.pool import Pool

    if len(PROCESSORS) > 1:
        os.sched_setaffinity(0, set(PROCESSORS) - set(RUNNERS_OWN))
    sandbox: Sandbox | None = None
    pools: dict[str, Pool] = {}
    for line in sys.stdin:
        try:
            job = BenchJob.model_validate_json(line)
            gpu = None if job.device == "cpu" else find_gpu(job.device)
            if sandbox is None:
                sandbox = open_sandbox(work)
            if job.device not in pools:
                zygote = Zygote(sandbox, gpu)
                zygote.start()  # it imports torch while this process does
                pools[job.device] = Pool(zygote)
            from sandbox.judge.evaluate import evaluate

            pool = pools[job.device]
            with contextlib.nullcontext() if gpu is None else _leased(gpu, work, job.timeout_s):
                result = evaluate(
                    job, pool, lambda fraction, doing: say({"progress": [fraction, doing]})
                )
            say({"result": result.model_dump(mode="json")})
        except AssayError as error:
            say({"error": [error.code, error.message, error.hint]})
        _give_memory_back()
        for pool in pools.values():
            with contextlib.suppress(SandboxFailure):  # the next job will say it
                pool.fill()
    for pool in pools.values():
        pool.close()


@contextlib.contextmanager
def _leased(gpu: Gpu, work: Path, timeout_s: float) -> Iterator[None]:
    """Have a GPU alone, as the one that streams, events and the driver's calls belong to."""
    import torch

    with lease(gpu, work, timeout_s), torch.cuda.device(gpu.index):
        yield


def _give_memory_back() -> None:
    """What a job freed: during it, the heap only grows, so that no batch pays for page faults."""
    ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
