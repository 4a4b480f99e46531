"""How fast the audit ledger appends, verifies and answers; goals beside the figures.

Goals: group commit at least 5 times fsync-per-event, verification at 300,000 events/s, typical
group-bys over 1e6 events within 1 s. Everything is measured in the same run.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

from rich.console import Console
from rich.table import Table

from server.ledger.checkpoint import create_key
from server.ledger.events import encode_body, encode_line
from server.ledger.query import run_query
from server.ledger.verify import verify
from server.ledger.writer import Ledger, _Entry

ORIGIN = "benchmark/ledger"
BUSY = 32
DATA = {
    "method": "tools/call",
    "outcome": "ok",
    "code": "",
    "args_sha256": "0" * 64,
    "args": {"solution_id": "sol_" + "a" * 32, "problem": "rmsnorm_h4096", "workloads": "full"},
    "client": "benchmark/1",
    "protocol": "2026-07-28",
}
QUERIES = {
    "calls by tool": "SELECT tool, count(*), avg(dur_ms) FROM events GROUP BY ALL",
    "last 50": "SELECT * FROM events ORDER BY seq DESC LIMIT 50",
    "one actor per minute": "SELECT date_trunc('minute', ts), count(*) FROM events "
    "WHERE actor = 'a3' GROUP BY ALL",
    "JSON field": "SELECT outcome, count(*) FROM calls GROUP BY ALL",
}


def rate(work: Callable[[], int]) -> float:
    began = time.perf_counter()
    return work() / (time.perf_counter() - began)


def fsync_each(directory: Path, count: int) -> int:
    """The plain way: one write and one fdatasync an event, under a lock, same encoding."""
    file = os.open(directory / "plain.jsonl", os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    lock = threading.Lock()

    def work() -> None:
        for number in range(count // BUSY):
            body = encode_body("call", actor="a", tool="run_bench", ok=True, data=DATA)
            with lock:
                os.write(file, encode_line(number, "2026-01-01T00:00:00.000000Z", body, "0" * 64))
                os.fdatasync(file)

    together(work)
    os.close(file)
    return count // BUSY * BUSY


def together(work: Callable[[], None]) -> None:
    threads = [threading.Thread(target=work) for _ in range(BUSY)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


async def tasks(ledger: Ledger, count: int) -> int:
    """As the server does it: requests of one event loop."""

    async def work() -> None:
        for _ in range(count):
            await ledger.record("call", actor="a", tool="run_bench", ok=True, data=DATA)

    await asyncio.gather(*(work() for _ in range(BUSY)))
    return BUSY * count


def fill(ledger: Ledger, count: int) -> None:
    """Many events, written in batches as busy callers would."""
    left = threading.Semaphore(4096)
    for number in range(count):
        body = encode_body("call", actor=f"a{number % 7}", tool="t", ok=True, data=DATA)
        left.acquire()
        ledger._submit(_Entry(body, lambda _: left.release()))
    ledger.append("call", data=DATA)


def measure(count: int) -> dict[str, float]:
    figures: dict[str, float] = {"events": count}
    with tempfile.TemporaryDirectory(prefix="ledger-bench-") as name:
        directory = Path(name)
        vkey = create_key(directory / "key", ORIGIN)
        with Ledger.open(directory / "ledger", ORIGIN, directory / "key") as ledger:
            times = []
            for _ in range(2000):
                began = time.perf_counter()
                ledger.append("call", actor="a", tool="run_bench", ok=True, data=DATA)
                times.append(time.perf_counter() - began)
            figures["append, 1 caller: per s"] = len(times) / sum(times)
            figures["append, 1 caller: p50 ms"] = median(times) * 1e3

            def work() -> None:
                for _ in range(600):
                    ledger.append("call", actor="a", tool="run_bench", ok=True, data=DATA)

            def group() -> int:
                together(work)
                return BUSY * 600

            figures[f"append, {BUSY} threads: per s"] = rate(group)
            figures[f"append, {BUSY} tasks of one loop: per s"] = rate(
                lambda: asyncio.run(tasks(ledger, 600))
            )
            figures[f"fsync each, {BUSY} threads: per s"] = rate(
                lambda: fsync_each(directory, 6400)
            )
            fill(ledger, count)
        figures["verify: events per s"] = rate(lambda: verify(directory / "ledger", vkey).events)
        import duckdb

        connection = duckdb.connect()
        connection.execute((directory / "ledger" / "audit.sql").read_text("utf-8"))
        for title, sql in QUERIES.items():
            began = time.perf_counter()
            connection.execute(sql).fetchall()
            figures[f"{title}: ms"] = (time.perf_counter() - began) * 1e3
        began = time.perf_counter()
        run_query(directory / "ledger", QUERIES["calls by tool"], timeout_s=60, memory_mb=4096)
        figures["calls by tool, untrusted: ms"] = (time.perf_counter() - began) * 1e3
        began = time.perf_counter()
        Ledger.open(directory / "ledger", ORIGIN, directory / "key").close()
        figures["reopen: s"] = time.perf_counter() - began
    return figures


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--large", action="store_true", help="1e6 events instead of 1e5")
    parser.add_argument("--json", action="store_true", help="print one JSON document")
    arguments = parser.parse_args()
    figures = measure(1_000_000 if arguments.large else 100_000)
    if arguments.json:
        print(json.dumps(figures, indent=2))
        return
    table = Table("figure", "value", title="Audit ledger")
    for title, value in figures.items():
        table.add_row(title, f"{value:,.2f}" if value < 100 else f"{value:,.0f}")
    Console().print(table)


if __name__ == "__main__":
    main()
