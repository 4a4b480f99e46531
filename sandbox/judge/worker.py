"""The judge's process: jobs in on standard input, results out on standard output, JSON lines.

Imports torch and flashinfer-bench. Prints of libraries go to standard error.
"""

from __future__ import annotations

import contextlib
import ctypes
import json
import os
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any

from sandbox.box import Sandbox, open_sandbox
from sandbox.errors import AssayError, SandboxFailure
from sandbox.gpu import Gpu, find_gpu
from sandbox.judge.models import BenchJob
from sandbox.leases import lease
from sandbox.processors import PROCESSORS, for_runners, for_the_judge, prefer
from sandbox.warm import Zygote

if TYPE_CHECKING:
    from sandbox.judge.pool import Pool


PATIENCE_S = 1800.0
"""How long a job waits for what other servers measure on; several jobs of theirs may come first."""


def main(work: Path) -> None:
    """Serve jobs until standard input ends."""
    protocol = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def say(message: dict[str, Any]) -> None:
        protocol.write(json.dumps(message) + "\n")
        protocol.flush()

    from sandbox.judge.pool import Pool

    os.sched_setaffinity(0, for_the_judge(PROCESSORS))
    prefer(os.getpid())  # what it starts inherits that, but for what counts by session
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
            _serve(job, gpu, pools[job.device], say)
        except AssayError as error:
            say({"error": [error.code, error.message, error.hint]})
    for pool in pools.values():
        pool.close()


def _serve(
    job: BenchJob, gpu: Gpu | None, pool: Pool, say: Callable[[dict[str, Any]], None]
) -> None:
    """Do a job; what it leaves is cleared away before anybody else may measure."""
    from sandbox.judge.evaluate import evaluate

    def progress(fraction: float, doing: str) -> None:
        say({"progress": [fraction, doing]})

    with _leased(gpu, lambda what: progress(0.0, what)):
        try:
            say({"result": evaluate(job, pool, progress).model_dump(mode="json")})
        except AssayError as error:
            say({"error": [error.code, error.message, error.hint]})
        _give_memory_back()
        with contextlib.suppress(SandboxFailure):  # the next job will say it
            pool.fill()


@contextlib.contextmanager
def _leased(gpu: Gpu | None, waiting: Callable[[str], None]) -> Iterator[None]:
    """Have what is measured on alone: a GPU, as the one that streams, events and the driver's calls belong
    to, or the processor of the runners."""
    if gpu is None:
        number = for_runners(PROCESSORS)[-1]
        with lease(f"cpu-{number}", f"Processor {number}", PATIENCE_S, waiting):
            yield
    else:
        import torch

        with gpu.lease(PATIENCE_S, waiting), torch.cuda.device(gpu.index):
            yield


def _give_memory_back() -> None:
    """What a job freed: during it, the heap only grows, so that no batch pays for page faults."""
    ctypes.CDLL(None).malloc_trim(0)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
