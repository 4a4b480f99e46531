"""A process for the crash tests: appends from several threads and reports every receipt."""

from __future__ import annotations

import resource
import sys
import threading
from pathlib import Path

from sandbox.errors import AssayError
from server.ledger.writer import Ledger

root, key, threads, size, limit = Path(sys.argv[1]), Path(sys.argv[2]), *map(int, sys.argv[3:])
if limit:
    import signal

    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    resource.setrlimit(resource.RLIMIT_FSIZE, (limit, limit))
ledger = Ledger.open(root, "test/ledger", key, checkpoint_every=20, segment_bytes=200_000)
output = threading.Lock()


def work(number: int) -> None:
    count = 0
    while True:
        try:
            receipt = ledger.append("call", actor=f"a{number}", data={"n": count, "x": "y" * size})
        except AssayError as error:
            with output:
                print("error", error.code, flush=True)
            return
        with output:
            print(receipt.seq, receipt.head, flush=True)
        count += 1


workers = [threading.Thread(target=work, args=(n,)) for n in range(threads)]
for worker in workers:
    worker.start()
for worker in workers:
    worker.join()
