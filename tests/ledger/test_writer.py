"""Appending: durable, ordered, one writer, closed after a failure, whole after a crash."""

from __future__ import annotations

import asyncio
import json
import os
import random
import subprocess
import sys
import threading
import time
from hashlib import sha256
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sandbox.errors import AssayError
from server.ledger.events import encode_body
from server.ledger.writer import Ledger

from .conftest import Book, rewrite

REPOSITORY = Path(__file__).resolve().parents[2]


def test_events_come_back_as_they_were_written(book: Book) -> None:
    with book.open() as ledger:
        receipt = ledger.append(
            "call",
            request="r1",
            session="s1",
            actor="ann",
            role="writer",
            tool="run_bench",
            ok=False,
            dur_ms=1.25,
            data={"outcome": "denied", "list": [1, None, "é"]},
        )
        (event,) = ledger.events(kinds=["call"])
        assert (event.seq, event.ts, event.ok, event.dur_ms) == (
            receipt.seq,
            receipt.ts,
            False,
            1.25,
        )
        assert event.data == {"outcome": "denied", "list": [1, None, "é"]}
        assert ledger.head == receipt
        assert [e.kind for e in ledger.events(from_seq=1)] == ["call"]
    raw = book.live()[0].read_bytes().splitlines()
    assert receipt.head == sha256(raw[1]).hexdigest() == json.loads(raw[2])["prev"]
    assert [json.loads(line)["kind"] for line in raw] == ["log.opened", "call", "log.closed"]
    assert list(json.loads(raw[0]))[-1] == "prev"


def test_files_are_private(book: Book) -> None:
    with book.open() as ledger:
        ledger.append("call")
        ledger.seal()
    for path in [book.root, *book.root.rglob("*"), book.key]:
        assert path.stat().st_mode & 0o077 == 0, path


def test_one_writer(book: Book) -> None:
    with book.open():
        with pytest.raises(AssayError) as caught:
            book.open()
        assert caught.value.code == "ledger_locked"
    book.open().close()


def test_threads_and_tasks_share_it(book: Book) -> None:
    async def many(ledger: Ledger) -> list[int]:
        before = threading.active_count()
        tasks = [asyncio.create_task(ledger.record("call", data={"n": n})) for n in range(200)]
        await asyncio.sleep(0)
        assert threading.active_count() == before
        return [receipt.seq for receipt in await asyncio.gather(*tasks)]

    with book.open(checkpoint_every=50) as ledger:
        threads = [
            threading.Thread(target=lambda: [ledger.append("call") for _ in range(50)])
            for _ in range(4)
        ]
        for thread in threads:
            thread.start()
        seqs = asyncio.run(many(ledger))
        for thread in threads:
            thread.join()
        assert len(set(seqs)) == 200
        assert [event.seq for event in ledger.events()] == list(range(401))
    assert book.verify().ok


def test_a_cancelled_caller_leaves_the_event(book: Book) -> None:
    async def cancel(ledger: Ledger) -> None:
        task = asyncio.create_task(ledger.record("call"))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
        await ledger.record("call")

    with book.open() as ledger:
        asyncio.run(cancel(ledger))
        assert len(list(ledger.events(["call"]))) == 2


@pytest.mark.parametrize("data", [{"x": float("nan")}, {"x": float("inf")}, {"x": object()}])
def test_what_is_not_json_is_refused_and_harms_nothing(book: Book, data: dict[str, object]) -> None:
    with book.open() as ledger:
        with pytest.raises(AssayError) as caught:
            ledger.append("call", data=data)
        assert caught.value.code == "event_invalid"
        with pytest.raises(AssayError, match="limit"):
            ledger.append("call", data={"x": "y" * (5 << 20)})
        with pytest.raises(AssayError, match="kind"):
            ledger.append('call","seq":1')
        assert ledger.append("call").seq == 1


JSON = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
)


@settings(max_examples=50, deadline=None)
@given(data=st.dictionaries(st.text(), JSON), actor=st.text(st.characters()))
def test_any_data_makes_one_ascii_line(data: dict[str, object], actor: str) -> None:
    body = encode_body("call", actor=actor, data=data)
    assert body.isascii()
    assert "\n" not in body
    assert isinstance(json.loads("{" + body + "}")["data"], dict)


def test_a_failed_write_closes_the_ledger_for_good(book: Book) -> None:
    ledger = book.open()
    ledger.append("call")
    writable = os.dup(ledger._file)
    broken = os.open("/dev/full", os.O_WRONLY)
    os.dup2(broken, ledger._file)
    with pytest.raises(AssayError) as caught:
        ledger.append("call")
    assert caught.value.code == "ledger_failed"
    os.dup2(writable, ledger._file)  # the disk is well again, but nobody knows what it holds
    with pytest.raises(AssayError) as caught:
        asyncio.run(ledger.record("call"))
    assert caught.value.code == "ledger_failed"
    ledger.close()
    os.close(writable)
    os.close(broken)
    with book.open() as again:
        assert again.append("call").seq == 3
    assert book.verify().ok


def test_a_closed_ledger_refuses(book: Book) -> None:
    ledger = book.open()
    ledger.close()
    ledger.close()
    with pytest.raises(AssayError) as caught:
        ledger.append("call")
    assert caught.value.code == "ledger_closed"


def start(book: Book, threads: int, size: int, limit: int = 0) -> subprocess.Popen[str]:
    script = Path(__file__).with_name("crash_writer.py")
    arguments = [book.root, book.key, threads, size, limit]
    return subprocess.Popen(
        [sys.executable, str(script), *map(str, arguments)],
        stdout=subprocess.PIPE,
        text=True,
        env={"PYTHONPATH": str(REPOSITORY)},
    )


def acknowledged(output: str) -> list[tuple[int, str]]:
    lines = output.split("\n")[:-1]
    return [(int(a), b) for a, b in (line.split() for line in lines) if a != "error"]


def test_kill_9_loses_nothing_acknowledged(book: Book) -> None:
    dice = random.Random(7)
    heads: list[tuple[int, str]] = []
    for size in (10, 3000, 100, 30000):
        process = start(book, 6, size)
        assert process.stdout
        first = process.stdout.readline()
        time.sleep(dice.uniform(0.02, 0.25))
        process.kill()
        heads += acknowledged(first + process.stdout.read())
        process.wait()
    with book.open() as ledger:
        ledger.append("call")
        seqs = [event.seq for event in ledger.events()]
    assert seqs == list(range(len(seqs)))
    assert len(heads) > 20
    report = book.verify(tuple(heads))
    assert report.ok, report.problems


def test_sealing_shows_only_finished_files(book: Book) -> None:
    """A kill at any moment must not leave something that looks like a foreign file.

    DuckDB writes beside a file that exists: what one killed sealing left made the next one do so.
    """
    seen: set[str] = set()
    with book.open(segment_bytes=1 << 20) as ledger:
        (book.root / "cache" / ".seg-000000000000.parquet.tmp").touch()
        for _ in range(60):
            ledger.append("call", data={"text": "x" * 30_000})
        sealing = threading.Thread(target=ledger.seal)
        sealing.start()
        while sealing.is_alive():
            seen |= {path.name for path in (book.root / "cache").iterdir()}
        sealing.join()
    assert {name for name in seen if not name.startswith(".")} <= {
        "seg-empty.parquet",
        *(path.name for path in (book.root / "cache").glob("seg-*[0-9].parquet")),
    }


def test_what_a_killed_sealing_left_is_removed(book: Book) -> None:
    book.open().close()
    left = book.root / "cache" / ".sealing-abc"
    left.mkdir()
    (left / "seg-000000000000.parquet").write_bytes(b"PAR1")
    assert book.verify().ok
    book.open().close()
    assert not left.exists()


@pytest.mark.parametrize("cut", [1, 40, 200])
def test_a_torn_tail_is_kept_and_declared(book: Book, cut: int) -> None:
    with book.open() as ledger:
        for number in range(3):
            ledger.append("call", data={"n": number})
    book.live()[0].write_bytes(book.live()[0].read_bytes()[:-cut])
    (book.root / "checkpoints.jsonl").write_bytes(
        (book.root / "checkpoints.jsonl").read_bytes().splitlines(keepends=True)[0] + b'{"seq'
    )
    size = book.live()[0].stat().st_size
    with book.open() as ledger:
        ledger.append("call")
        opened = list(ledger.events(["log.opened"]))[-1]
    assert book.live()[0].stat().st_size >= size
    assert ("torn" in opened.data) == (cut > 1)  # without its newline only, the event is whole
    assert "torn_checkpoint" in opened.data
    report = book.verify()
    assert report.ok, report.problems
    book.open().close()
    assert book.verify().ok


def test_a_full_disk(book: Book) -> None:
    process = start(book, 3, 700, limit=60_000)
    output, _ = process.communicate(timeout=30)
    heads = acknowledged(output)
    assert output.count("error ledger_failed") == 3
    assert len(heads) > 30
    with book.open() as ledger:
        ledger.append("call")
    report = book.verify(tuple(heads))
    assert report.ok, report.problems


def test_it_does_not_continue_what_was_tampered_with(filled: Book) -> None:
    rewrite(filled.live()[0], lambda lines: lines[:3] + lines[4:])
    with pytest.raises(AssayError) as caught:
        filled.open()
    assert caught.value.code == "ledger_corrupt"
    rewrite(filled.live()[0], lambda lines: lines[:2])
    with pytest.raises(AssayError, match="checkpoint"):
        filled.open()


def test_sealing_keeps_every_event(book: Book) -> None:
    with book.open(segment_bytes=2000, seal_grace_s=0) as ledger:
        for number in range(60):
            ledger.append("call", data={"n": number})
        assert len(ledger.seal()) >= 2
        assert [event.seq for event in ledger.events()] == list(range(ledger.head.seq + 1))
    with book.open() as ledger:
        assert ledger.append("call").seq == len(list(ledger.events())) - 1
    assert book.verify().ok
