"""Untrusted SQL: it answers, and every way out is shut."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from sandbox.errors import AssayError
from server.ledger.query import run_query
from server.ledger.views import VIEWS

from .conftest import Book


@pytest.fixture
def told(book: Book) -> Book:
    """A ledger with two campaigns."""
    with book.open() as ledger:
        for number, campaign in enumerate(["one", "two"]):
            for sha in ("s1", "s2", "s1"):
                ledger.append(
                    "solution.stored",
                    actor="ann",
                    data={
                        "solution_id": f"sol_{number}",
                        "definition": "rmsnorm",
                        "files": [{"path": "k.py", "sha256": sha + campaign, "size_bytes": 7}],
                    },
                )
            ledger.append(
                "run.finished",
                actor="ann",
                data={
                    "run_id": f"run_{number}",
                    "solution_id": f"sol_{number}",
                    "campaign": campaign,
                    "passed": True,
                    "speedup_geomean": 1.5,
                    "workloads": [{"uuid": "u"}],
                },
            )
            ledger.append("candidate.recorded", data={"candidate_id": "c", "campaign": campaign})
        ledger.append("call", actor="bob", ok=False, data={"outcome": "denied", "code": "role"})
        ledger.append("call", actor="x\ud800", data={"a": "\x00", "big": 10**400, "e": "é"})
        ledger.append("http.rejected", data={"status": 401, "path": "/mcp"})
    return book


def rows(book: Book, sql: str, campaigns: list[str] | None = None) -> list[list[object]]:
    result = run_query(book.root, sql, actor_campaigns=campaigns)
    return [list(row) for row in result.rows]


def code(book: Book, sql: str, **options: float) -> str:
    with pytest.raises(AssayError) as caught:
        run_query(book.root, sql, **options)  # type: ignore[arg-type]
    return caught.value.code


def test_views_answer(told: Book) -> None:
    assert rows(told, "SELECT count(*), max(seq) + 1 - count(*) FROM events") == [[15, 0]]
    assert rows(told, "SELECT version FROM files WHERE solution_id = 'sol_0' ORDER BY seq") == [
        [1],
        [2],
        [1],
    ]
    assert (
        rows(told, "SELECT passed, speedup_geomean, workload_count FROM runs")
        == [[True, 1.5, 1]] * 2
    )
    assert rows(told, "SELECT code FROM denials ORDER BY seq") == [["role"], ["401"]]


def test_every_view_works_on_an_empty_ledger(book: Book) -> None:
    book.open().close()
    for name in VIEWS:
        assert rows(book, f"SELECT * FROM {name}") == []


def test_a_verifier_sees_its_campaigns_only(told: Book) -> None:
    assert rows(told, "SELECT run_id FROM runs", ["one"]) == [["run_0"]]
    assert rows(told, "SELECT DISTINCT solution_id FROM files", ["one"]) == [["sol_0"]]
    assert rows(told, "SELECT count(*) FROM calls", ["one"]) == [[0]]
    assert rows(told, "SELECT count(*) FROM events", []) == [[0]]
    assert rows(told, "SELECT count(*) FROM events", ["one' OR '1'='1"]) == [[0]]
    assert code(told, "SELECT * FROM every_event") == "sql_error"


@pytest.mark.parametrize(
    "sql",
    [
        "COPY events TO '{dir}/out.csv'",
        "COPY (SELECT 1) TO '{dir}/live/seg-evil.jsonl'",
        "ATTACH '{dir}/evil.duckdb'",
        "EXPORT DATABASE '{dir}/evil'",
        "IMPORT DATABASE '{dir}'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET enable_external_access = true",
        "RESET ALL",
        "PRAGMA database_list",
        "CREATE TABLE t (i INT)",
        "DROP TABLE events",
        "DELETE FROM events",
        "INSERT INTO events SELECT * FROM events",
        "CALL enable_logging()",
        "SELECT 1; SELECT 2",
        "SELECT 1; COPY events TO '{dir}/out.csv'",
        "EXPLAIN ANALYZE SELECT 1",
        "",
    ],
)
def test_only_one_select(told: Book, sql: str, tmp_path: Path) -> None:
    before = sorted(told.root.rglob("*"))
    assert code(told, sql.format(dir=told.root)) in {"sql_not_select", "sql_error"}
    assert sorted(told.root.rglob("*")) == before


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT * FROM read_text('/etc/passwd')",
        "SELECT * FROM read_blob('/etc/passwd')",
        "SELECT * FROM '/etc/passwd'",
        "SELECT * FROM read_csv('{dir}/live/*.jsonl')",
        "SELECT * FROM read_json('{dir}/live/seg-*.jsonl')",
        "SELECT * FROM read_parquet('{dir}/cache/*.parquet')",
        "SELECT * FROM glob('/etc/*')",
        "SELECT * FROM sniff_csv('/etc/passwd')",
        "SELECT * FROM read_duckdb('{dir}/x.duckdb')",
        "SELECT * FROM query('SELECT * FROM read_text(''/etc/passwd'')')",
        "SELECT * FROM json_execute_serialized_sql(json_serialize_sql("
        "'SELECT * FROM read_text(''/etc/passwd'')'))",
        "SELECT getenv('HOME')",
        "SELECT * FROM enable_logging(storage := 'file', storage_path := '{dir}/log')",
        "SELECT * FROM request",
        "SELECT * FROM nowhere",
    ],
)
def test_no_way_out_of_a_select(told: Book, sql: str) -> None:
    before = sorted(told.root.rglob("*"))
    assert code(told, sql.format(dir=told.root)) == "sql_error"
    assert sorted(told.root.rglob("*")) == before


def test_time_and_size_are_limited(told: Book) -> None:
    bomb = "WITH RECURSIVE r(i) AS (SELECT 1 UNION ALL SELECT i + 1 FROM r) SELECT max(i) FROM r"
    began = time.monotonic()
    assert code(told, bomb, timeout_s=1.5) in {"sql_timeout", "sql_too_large"}
    assert time.monotonic() - began < 5
    cross = "SELECT list(a.i || b.i || c.i) FROM range(9999) a(i), range(9999) b(i), range(99) c(i)"
    assert code(told, cross, memory_mb=64, timeout_s=8) in {"sql_too_large", "sql_timeout"}
    assert code(told, "SELECT repeat('x', 9000000)") == "sql_too_large"
    assert code(told, "SELECT repeat('x', 4000000000)", memory_mb=64) in {
        "sql_too_large",
        "sql_error",
    }
    result = run_query(told.root, "SELECT i, i::DOUBLE / 0 FROM range(1000000) t(i)", max_rows=3)
    assert (len(result.rows), result.truncated) == (3, True)


def test_the_parent_environment_does_not_matter(
    told: Book, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nonexistent")
    monkeypatch.setenv("HOME", "/nonexistent")
    monkeypatch.setenv("SECRET", "s3cret")
    assert rows(told, "SELECT 1") == [[1]]
    assert rows(told, "SELECT count(*) FROM duckdb_settings() WHERE value LIKE '%s3cret%'") == [[0]]


READER = """
import sys, duckdb
connection = duckdb.connect()
connection.execute(open(sys.argv[1]).read())
QUERY = "SELECT count(*), max(seq) + 1 - count(*) FROM events"
last = -1
for _ in range(40):
    count, gap = connection.execute(QUERY).fetchall()[0]
    assert gap == 0 and count >= last, (count, gap, last)
    last = count
for name in sys.argv[2:]:
    connection.sql(f"SELECT * FROM {name}").fetchall()
print(last)
"""


def test_another_process_reads_while_this_one_writes_and_seals(book: Book) -> None:
    with book.open(segment_bytes=60_000, seal_grace_s=60) as ledger:
        reader = subprocess.Popen(
            [sys.executable, "-I", "-c", READER, book.root / "audit.sql", *VIEWS],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            env={"PATH": os.defpath},
        )
        written = 0
        while reader.poll() is None:
            ledger.append("call", actor="ann", data={"outcome": "ok", "n": written})
            written += 1
            time.sleep(0.001)
        assert reader.stdout and reader.stderr
        assert reader.returncode == 0, reader.stderr.read()
        assert int(reader.stdout.read()) > 1
        assert len(ledger.seal()) >= 1
    assert rows(book, "SELECT count(*) FROM calls") == [[written]]
    assert book.verify().ok


def test_a_torn_line_hides_nothing(told: Book) -> None:
    with told.live()[0].open("ab") as file:
        file.write(b'{"v":1,"seq":15,"ts":"2026')
    assert rows(told, "SELECT count(*) FROM events") == [[15]]
    with told.open() as ledger:
        ledger.append("call")
    gap = "SELECT count(*) >= 18, max(seq) + 1 - count(*) FROM events"
    assert rows(told, gap) == [[True, 0]]  # the damaged segment may be sealed by now
