"""Each kind of tampering is found, and an honest ledger passes."""

from __future__ import annotations

import base64
import json
import shutil
import subprocess
import sys
from hashlib import sha256
from pathlib import Path

import pytest
import zstandard
from hypothesis import given, settings
from hypothesis import strategies as st

from server.ledger import verify as verify_module
from server.ledger.events import encode_line, genesis
from server.ledger.verify import VerifyReport, read_head_file
from server.ledger.views import _EMPTY_PARQUET
from server.ledger.writer import export_head

from .conftest import ORIGIN, Book, make_book, rewrite


def kinds(report: VerifyReport) -> set[str]:
    assert report.ok == (not report.problems)
    return {problem.kind for problem in report.problems}


def segment(book: Book) -> Path:
    return book.live()[0]


def test_an_honest_ledger_passes(filled: Book) -> None:
    report = filled.verify()
    assert report.ok
    assert (report.events, report.torn, report.checkpoints) == (12, 0, 4)


@pytest.mark.parametrize(
    "field", ["ts", "kind", "actor", "role", "tool", "ok", "dur_ms", "data", "session", "request"]
)
def test_an_edited_field(filled: Book, field: str) -> None:
    def edit(lines: list[bytes]) -> list[bytes]:
        event = json.loads(lines[3])
        event[field] = {"x": 1} if field == "data" else "zzz"
        return [*lines[:3], json.dumps(event, separators=(",", ":")).encode(), *lines[4:]]

    rewrite(segment(filled), edit)
    report = filled.verify()
    assert {"edited", "checkpoint_differs"} <= kinds(report)
    assert report.problems[0].seq == 3


def test_a_deleted_event(filled: Book) -> None:
    rewrite(segment(filled), lambda lines: lines[:3] + lines[4:])
    assert "deleted" in kinds(filled.verify())


def test_reordered_events(filled: Book) -> None:
    rewrite(segment(filled), lambda lines: [*lines[:3], lines[4], lines[3], *lines[5:]])
    assert {"deleted", "reordered"} <= kinds(filled.verify())


def test_an_inserted_event(filled: Book) -> None:
    rewrite(segment(filled), lambda lines: [*lines[:3], lines[2], *lines[3:]])
    assert "reordered" in kinds(filled.verify())


def test_a_cut_end_shows_against_local_checkpoints(filled: Book) -> None:
    rewrite(segment(filled), lambda lines: lines[:-1])
    assert "truncated" in kinds(filled.verify())


def test_a_cut_end_shows_against_a_head_although_checkpoints_were_cut_too(filled: Book) -> None:
    last = segment(filled).read_bytes().splitlines()[-1]
    head = (11, sha256(last).hexdigest())
    rewrite(segment(filled), lambda lines: lines[:6])
    rewrite(filled.root / "checkpoints.jsonl", lambda lines: lines[:2])
    assert filled.verify().ok  # a consistent earlier state: only the head kept elsewhere tells
    assert kinds(filled.verify((head,))) == {"truncated"}


def forge(book: Book) -> None:
    """Rewrite history with a valid chain, but without the key."""
    prev, lines = genesis(ORIGIN), []
    for number, line in enumerate(segment(book).read_bytes().splitlines()):
        text = line.decode().replace('"actor":"ann"', '"actor":"eve"')
        body = text[text.index('"kind"') : text.rindex(',"prev"')]
        forged = encode_line(number, json.loads(line)["ts"], body, prev)
        prev = sha256(forged).hexdigest()
        lines.append(forged)
    rewrite(segment(book), lambda _: lines)


def test_a_whole_rewrite(filled: Book, tmp_path: Path) -> None:
    kept = tmp_path / "head"
    kept.write_text(export_head(filled.root))
    forge(filled)
    assert kinds(filled.verify()) == {"checkpoint_differs"}
    (filled.root / "checkpoints.jsonl").unlink()
    assert kinds(filled.verify()) == {"checkpoint_missing"}
    assert {"head_differs", "checkpoint_differs"} <= kinds(filled.verify(read_head_file(kept)))


def test_a_rewrite_signed_with_another_key(filled: Book, tmp_path: Path) -> None:
    other = make_book(tmp_path / "other")
    with other.open() as ledger:
        ledger.append("call", actor="eve")
    shutil.rmtree(filled.root)
    shutil.copytree(other.root, filled.root)
    assert "checkpoint_invalid" in kinds(filled.verify())


def test_a_fork_after_a_restart(filled: Book, tmp_path: Path) -> None:
    fork = Book(tmp_path / "fork", filled.key, filled.vkey)
    shutil.copytree(filled.root, fork.root)
    with filled.open() as ledger:
        receipt = ledger.append("call", actor="ann")
    with fork.open() as ledger:
        ledger.append("call", actor="eve")
    assert fork.verify().ok
    assert kinds(fork.verify(((receipt.seq, receipt.head),))) == {"head_differs"}
    kept = tmp_path / "head"
    kept.write_text(export_head(filled.root))
    assert "checkpoint_differs" in kinds(fork.verify(read_head_file(kept)))


def test_a_duplicated_segment(filled: Book) -> None:
    shutil.copy(segment(filled), filled.root / "live" / "seg-000000000012.jsonl")
    assert "reordered" in kinds(filled.verify())
    (filled.root / "live" / "seg-000000000012.jsonl").rename(filled.root / "live" / "seg-b.jsonl")
    assert kinds(filled.verify()) == {"unexpected_file"}


def sealed_book(book: Book) -> Path:
    with book.open(seal_grace_s=0) as ledger:
        for number in range(20):
            ledger.append("call", actor="ann", data={"n": number})
        (sealed,) = ledger.seal()
        ledger.seal()
    assert book.verify().ok
    assert not (book.root / "live" / "seg-000000000000.jsonl").exists()
    return sealed


def test_an_edited_sealed_segment(book: Book) -> None:
    sealed = sealed_book(book)
    original = sealed.read_bytes()
    content = zstandard.ZstdDecompressor().decompress(original)
    sealed.chmod(0o600)
    sealed.write_bytes(zstandard.ZstdCompressor().compress(content.replace(b'"n":7', b'"n":8')))
    assert "edited" in kinds(book.verify())
    sealed.write_bytes(original[:-20])
    assert not book.verify().ok
    sealed.unlink()
    assert "segment_missing" in kinds(book.verify())


def test_an_edited_query_cache(book: Book) -> None:
    sealed_book(book)
    cache = book.root / "cache" / "seg-000000000000.parquet"
    cache.chmod(0o600)
    cache.write_bytes(cache.read_bytes() + b" ")
    assert kinds(book.verify()) == {"cache_changed"}
    cache.unlink()
    assert kinds(book.verify()) == {"cache_missing"}
    shutil.copy(book.root / "cache" / "seg-empty.parquet", cache)
    assert kinds(book.verify()) == {"cache_changed"}


def test_the_verifier_knows_the_empty_cache(filled: Book) -> None:
    content = (filled.root / "cache" / "seg-empty.parquet").read_bytes()
    assert sha256(content).hexdigest() == verify_module.EMPTY_CACHE_SHA256
    assert base64.b64decode(_EMPTY_PARQUET)


def test_a_torn_line_must_be_declared(book: Book) -> None:
    with book.open() as ledger:
        ledger.append("call", actor="ann")
    with segment(book).open("ab") as file:
        file.write(b'{"v":1,"seq":3,"ts":"20')
    assert book.verify().ok  # as a crash leaves it, before the restart
    with book.open() as ledger:
        ledger.append("call", actor="bob")
    report = book.verify()
    assert (report.ok, report.torn, report.events) == (True, 1, 6)
    rewrite(segment(book), lambda lines: [*lines[:-1], lines[-1] + b"x"])
    assert "torn_undeclared" in kinds(book.verify())


def test_a_wrong_key_or_head_never_passes(filled: Book, tmp_path: Path) -> None:
    assert "key_invalid" in kinds(verify_module.verify(filled.root, "nonsense"))
    bad = tmp_path / "head"
    for text in ("", "junk\n", "3 beef\n", export_head(filled.root)[:-9]):
        bad.write_text(text)
        assert not filled.verify(read_head_file(bad)).ok


def test_it_runs_alone(filled: Book, tmp_path: Path) -> None:
    script = shutil.copy(verify_module.__file__, tmp_path / "check.py")
    key, head = tmp_path / "vkey", tmp_path / "head"
    key.write_text(filled.vkey)
    head.write_text(export_head(filled.root))
    command = [sys.executable, "-I", script, filled.root, "--key", key, "--head", head]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env={})
    assert done.returncode == 0, done.stderr
    assert "intact: 12 events" in done.stdout
    rewrite(segment(filled), lambda lines: lines[1:])
    assert subprocess.run(command, capture_output=True, env={}).returncode == 1


@pytest.fixture(scope="module")
def pristine(tmp_path_factory: pytest.TempPathFactory) -> tuple[Book, Path]:
    book = make_book(tmp_path_factory.mktemp("pristine"))
    with book.open() as ledger:
        for number in range(6):
            ledger.append("call", actor="ann", data={"n": number})
    return book, segment(book)


def test_a_checkpoint_without_its_newline_is_cut_short_but_not_damaged(
    pristine: tuple[Book, Path],
) -> None:
    path = pristine[0].root / "checkpoints.jsonl"
    original = path.read_bytes()
    try:
        path.write_bytes(original[:-1])
        assert pristine[0].verify().ok
        path.write_bytes(original[:-1] + b"x")
        assert not pristine[0].verify().ok
    finally:
        path.write_bytes(original)


@settings(max_examples=60, deadline=None)
@given(data=st.data())
def test_any_flipped_byte_is_found(pristine: tuple[Book, Path], data: st.DataObject) -> None:
    book, live = pristine
    path = data.draw(st.sampled_from([live, book.root / "checkpoints.jsonl"]))
    original = path.read_bytes()
    position = data.draw(st.integers(0, len(original) - 1))
    mask = data.draw(st.integers(1, 255))
    changed = bytearray(original)
    changed[position] ^= mask
    path.write_bytes(changed)
    try:
        assert not book.verify().ok
    finally:
        path.write_bytes(original)


@settings(max_examples=40, deadline=None)
@given(
    what=st.sampled_from(["drop", "swap", "duplicate"]), at=st.integers(0, 6), to=st.integers(0, 7)
)
def test_any_moved_line_is_found(pristine: tuple[Book, Path], what: str, at: int, to: int) -> None:
    book, live = pristine
    original = live.read_bytes()

    def edit(lines: list[bytes]) -> list[bytes]:
        if what == "drop":
            del lines[at]
        elif what == "duplicate":
            lines.insert(to, lines[at])
        else:
            other = to if to != at else at + 1
            lines[at], lines[other] = lines[other], lines[at]
        return lines

    rewrite(live, edit)
    try:
        assert not book.verify().ok
    finally:
        live.write_bytes(original)
    assert book.verify().ok
