"""The verifier: reads the ledger's raw bytes and says what was tampered with.

Shares no code with the writer, so that one mistake cannot hide in both; needs only Python,
`cryptography` and `zstandard`, so that it can be copied to a machine that trusts nothing else here:

    python verify.py DIR --key VKEY_FILE --head HEAD_FILE

It never writes. What it can show rests on what was kept elsewhere: the public key, and heads. It is
safe beside a running writer.
"""

from __future__ import annotations

import argparse
import base64
import contextlib
import hashlib
import io
import json
import re
import sys
from binascii import Error as Base64Error
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, NamedTuple

import zstandard
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

Anchor = tuple[int, str] | str
"""What was kept elsewhere: `(seq, head)`, or a signed note."""

EMPTY_CACHE_SHA256 = "f36e0aeac4ff806505c6ca35cafafbbbf31640cb8a55600e5ea0c717a1da1b14"
MAX_PROBLEMS = 100
_BLOCK = 4096
_KEYS = {"v", "seq", "ts", "kind", "request", "session", "actor", "role", "tool", "ok", "dur_ms"}
_KEYS |= {"data", "prev"}
_NAMES = {
    "live": re.compile(r"seg-(\d{12})\.jsonl"),
    "sealed": re.compile(r"seg-(\d{12})\.jsonl\.zst"),
    "cache": re.compile(r"seg-(\d{12}|empty)\.parquet"),
}


@dataclass(frozen=True)
class Problem:
    """One finding. `seq` is None where no event can be named."""

    kind: str
    seq: int | None
    file: str
    detail: str


@dataclass(frozen=True)
class VerifyReport:
    """What was checked, and what is wrong. `ok` means: no problem was found."""

    ok: bool
    events: int
    torn: int
    checkpoints: int
    problems: tuple[Problem, ...]


class _Note(NamedTuple):
    size: int
    root: bytes
    source: str
    claim: tuple[int, str] | None


def verify(root: Path, vkey: str | None, heads: Sequence[Anchor] = ()) -> VerifyReport:
    """Check every line, link, checkpoint and signature of a ledger.

    Args:
        root: the ledger's directory.
        vkey: the public key, best from a copy kept elsewhere. Without one, signatures go unchecked.
        heads: heads kept elsewhere, as `(seq, head)` or signed notes.
    """
    return _Verification(root, vkey, heads).run()


def read_head_file(path: Path) -> tuple[Anchor, ...]:
    """Read an exported head: lines `seq head`, then, after an empty line, a signed note.

    Anything else becomes an anchor that does not verify: a damaged head file never passes.
    """
    found: list[Anchor] = []
    text = path.read_text("utf-8", "replace")
    top, _, note = text.partition("\n\n")
    for line in top.splitlines():
        match = re.fullmatch(r"(\d{1,18}) ([0-9a-f]{64})", line)
        found.append((int(match[1]), match[2]) if match else line)
    if note:
        found.append(note)
    return tuple(found) or ("",)


@dataclass
class _Tree:
    """RFC 6962 tree hash, many leaves at a time: at most one waiting node per level."""

    size: int = 0
    waiting: list[bytes | None] = field(default_factory=list)

    def add(self, lines: Sequence[bytes]) -> None:
        sha = hashlib.sha256
        self.size += len(lines)
        nodes = [sha(b"\0" + line).digest() for line in lines]
        level = 0
        while nodes:
            if level == len(self.waiting):
                self.waiting.append(None)
            first = self.waiting[level]
            if first is not None:
                nodes.insert(0, first)
            self.waiting[level] = nodes.pop() if len(nodes) % 2 else None
            pairs = iter(nodes)
            nodes = [
                sha(b"\1" + left + right).digest() for left, right in zip(pairs, pairs, strict=True)
            ]
            level += 1

    def root(self) -> bytes:
        node: bytes | None = None
        for left in self.waiting:
            if left is not None:
                both = node is not None
                node = hashlib.sha256(b"\1" + left + node).digest() if both and node else left
        return node if node is not None else hashlib.sha256(b"").digest()


class _Verification:
    """One pass over a ledger."""

    def __init__(self, root: Path, vkey: str | None, heads: Sequence[Anchor]) -> None:
        self.root = root
        self.problems: list[Problem] = []
        self.key = self._key(vkey) if vkey is not None else None
        self.signed = vkey is not None
        self.tree = _Tree()
        self.prev: str | None = None
        if vkey is not None:
            self.prev = hashlib.sha256(b"genesis:" + vkey.split("+")[0].encode()).hexdigest()
        self.seq = 0
        self.events = 0
        self.torn = 0
        self.region: list[bytes] = []
        self.region_file = ""
        self.unterminated = False
        self.torn_notes: dict[str, str] = {}
        self.caches: dict[int, set[str]] = {}
        self.heads: dict[int, set[str]] = {}
        self.notes: list[_Note] = []
        for anchor in heads:
            if isinstance(anchor, str):
                self._read_note(anchor, "head kept elsewhere", None)
            else:
                self.heads.setdefault(anchor[0], set()).add(anchor[1])

    def run(self) -> VerifyReport:
        found_caches = self._hash_caches()
        checkpoints = self._read_checkpoints()
        self.notes.sort(key=lambda note: note.size)
        segments = self._segments()
        for index, (start, name) in enumerate(segments):
            self._check_segment(start, name, index == len(segments) - 1)
        if self.region:
            self._end_of_region()
        for note in self.notes:
            self._problem(
                "truncated",
                None,
                note.source,
                f"a signed checkpoint covers {note.size} lines, there are {self.tree.size}",
            )
        for seq in self.heads:
            self._problem("truncated", seq, "", "a head kept elsewhere lies beyond the end")
        for name in self.torn_notes.values():
            self._problem("checkpoint_invalid", None, name, "a line is not a checkpoint")
        if self.signed and self.events and not checkpoints:
            self._problem("checkpoint_missing", None, "checkpoints.jsonl", "no checkpoint is left")
        self._check_caches(found_caches)
        return VerifyReport(
            not self.problems, self.events, self.torn, checkpoints, tuple(self.problems)
        )

    # Signed notes.

    def _key(self, vkey: str) -> tuple[str, bytes, Ed25519PublicKey] | None:
        try:
            name, key_id, encoded = vkey.strip().split("+", 2)
            raw = base64.b64decode(encoded, validate=True)
            expected = hashlib.sha256(name.encode() + b"\n" + raw).digest()[:4]
            if raw[:1] != b"\x01" or expected.hex() != key_id:
                raise ValueError("the key's id does not match")
            return name, expected, Ed25519PublicKey.from_public_bytes(raw[1:])
        except ValueError as error:
            self._problem("key_invalid", None, "", f"this is not an Ed25519 vkey: {error}")
            return None

    def _read_note(self, note: str, source: str, claim: tuple[int, str] | None) -> None:
        try:
            text, signatures = note.split("\n\n")
            origin, size, encoded = text.split("\n")
            root = base64.b64decode(encoded, validate=True)
            if not re.fullmatch(r"0|[1-9]\d{0,17}", size) or len(root) != 32:
                raise ValueError("bad size or root")
            if base64.b64encode(root).decode() != encoded:
                raise ValueError("the root is not in canonical base64")
            if self.signed:
                self._check_signature(f"{text}\n".encode(), origin, signatures)
        except (ValueError, Base64Error, InvalidSignature) as error:
            detail = str(error) or "the signature does not match"
            self._problem("checkpoint_invalid", claim[0] if claim else None, source, detail)
            return
        self.notes.append(_Note(int(size), root, source, claim))

    def _check_signature(self, text: bytes, origin: str, signatures: str) -> None:
        if self.key is None:
            raise ValueError("there is no usable key")
        name, key_id, public = self.key
        if origin != name:
            raise ValueError(f"it is about {origin!r}")
        match = re.fullmatch(rf"— {re.escape(name)} ([A-Za-z0-9+/=]+)\n", signatures)
        if not match:
            raise ValueError("it has no signature line of this key")
        blob = base64.b64decode(match[1], validate=True)
        if blob[:4] != key_id or base64.b64encode(blob).decode() != match[1]:
            raise ValueError("it was signed by another key")
        public.verify(blob[4:], text)

    def _read_checkpoints(self) -> int:
        path = self.root / "checkpoints.jsonl"
        if not path.exists():
            return 0
        content = path.read_bytes()
        lines = content.split(b"\n")
        unfinished = lines.pop()  # empty, or being written, or cut short by a crash
        if unfinished.partition(b'"}')[2]:  # but then it would not go on behind its end
            self._problem(
                "checkpoint_invalid", None, "checkpoints.jsonl", "the last line is damaged"
            )
        count, last_size = 0, -1
        for number, line in enumerate(lines, 1):
            source = f"checkpoints.jsonl:{number}"
            try:
                entry = json.loads(line)
                claim, note = (int(entry["seq"]), str(entry["head"])), str(entry["note"])
                canonical = json.dumps({"seq": claim[0], "head": claim[1], "note": note})
                if canonical.encode() != line:
                    raise ValueError("not in canonical form")
            except (ValueError, KeyError, TypeError):
                self.torn_notes[hashlib.sha256(line).hexdigest()] = source
                continue
            before = len(self.notes)
            self._read_note(note, source, claim)
            if len(self.notes) == before:
                continue
            count += 1
            if self.notes[-1].size <= last_size:
                self._problem("checkpoint_order", claim[0], source, "its size does not grow")
            last_size = self.notes[-1].size
        return count

    # Segments and lines.

    def _segments(self) -> list[tuple[int, str]]:
        found: dict[int, str] = {}
        for part in ("sealed", "live"):
            for name, start in self._listing(part):
                found[int(start)] = f"{part}/{name}"
        return sorted(found.items())

    def _listing(self, part: str) -> Iterator[tuple[str, str]]:
        directory = self.root / part
        for path in sorted(directory.iterdir()) if directory.is_dir() else ():
            match = _NAMES[part].fullmatch(path.name)
            if match and path.is_file() and not path.is_symlink():
                yield path.name, match[1]
            elif not path.name.startswith("."):
                self._problem("unexpected_file", None, f"{part}/{path.name}", "not a segment")

    def _read(self, start: int) -> bytes:
        live = self.root / "live" / f"seg-{start:012d}.jsonl"
        sealed = self.root / "sealed" / f"seg-{start:012d}.jsonl.zst"
        raw: bytes | None = None
        with contextlib.suppress(FileNotFoundError):  # it may have been sealed just now
            raw = live.read_bytes()
        if not sealed.exists():
            return raw or b""
        try:
            with zstandard.ZstdDecompressor().stream_reader(
                io.BytesIO(sealed.read_bytes()), read_across_frames=True
            ) as reader:
                unpacked: bytes = reader.read()
        except zstandard.ZstdError as error:
            self._problem("sealed_unreadable", None, f"sealed/{sealed.name}", str(error))
            return raw or b""
        if raw is not None and raw != unpacked:
            name = f"live/{live.name}"
            self._problem("segment_differs", None, name, "the sealed copy has other bytes")
        return unpacked

    def _check_segment(self, start: int, name: str, last: bool) -> None:
        if start != self.tree.size:
            kind = "missing" if start > self.tree.size else "duplicated"
            detail = f"it should begin with line {self.tree.size} by the lines before it"
            self._problem(f"segment_{kind}", self.seq, name, detail)
        lines = self._read(start).split(b"\n")
        unfinished = lines.pop()
        position = 0
        while position < len(lines):
            size = _BLOCK
            if self.notes and self.notes[0].size > self.tree.size:
                size = min(size, self.notes[0].size - self.tree.size)
            block = lines[position : position + size]
            position += len(block)
            if not self._fast(block):
                for number, line in enumerate(block, position - len(block)):
                    self._line(line, name, number == 0)
            self.tree.add(block)
            self._check_notes(name)
        if unfinished:
            self._line(unfinished, name, False)
            self.unterminated = last
            if not last:
                self._problem("unterminated", self.seq, name, "the last line has no end")
                self.tree.add([unfinished])

    def _fast(self, lines: Sequence[bytes]) -> bool:
        """Check a block of ordinary events; False if any line needs a closer look."""
        if self.region or self.prev is None or not lines:
            return False
        hashes = [hashlib.sha256(line).hexdigest() for line in lines]
        links = [self.prev, *hashes[:-1]]
        ends = (',"prev":"' + '"}\n,"prev":"'.join(links) + '"}\n').encode()
        if b"\n".join([line[-75:] for line in lines]) + b"\n" != ends:
            return False
        first, last = self.seq, self.seq + len(lines) - 1
        if len(str(first)) != len(str(last)):
            return False
        width = len(str(first)) + 20
        starts = b"".join([b'{"v":1,"seq":%d,"ts":"' % seq for seq in range(first, last + 1)])
        if b"".join([line[:width] for line in lines]) != starts:
            return False
        logs: list[dict[str, Any] | None] = []
        if b',"kind":"log.' in b"\n".join(lines):
            logs = [_parse(line) for line in lines if b',"kind":"log.' in line]
        if None in logs:
            return False
        for event in logs:
            if event is not None:
                self._bookkeeping(event)
        for seq in [seq for seq in self.heads if first <= seq < first + len(lines)]:
            self._check_head(seq, hashes[seq - first], "")
        self.prev = hashes[-1]
        self.seq += len(lines)
        self.events += len(lines)
        return True

    def _line(self, line: bytes, name: str, first_of_segment: bool) -> None:
        event = _parse(line)
        digest = hashlib.sha256(line).hexdigest()
        if self.region and first_of_segment and event and event["kind"] == "log.opened":
            self._declared(event, name)
        if event is None or self.region:
            if not self.region:
                self.region_file = name
            self.region.append(line)
            if event is not None:
                self.seq = max(self.seq, event["seq"] + 1)
            self.prev = digest
            return
        seq = event["seq"]
        if seq != self.seq:
            kind = "deleted" if seq > self.seq else "reordered"
            self._problem(kind, seq, name, f"event {self.seq} should be here")
        elif self.prev is not None and event["prev"] != self.prev:
            self._problem("edited", max(seq - 1, 0), name, f"event {seq} names another predecessor")
        self._bookkeeping(event)
        self._check_head(seq, digest, name)
        self.seq, self.prev = seq + 1, digest
        self.events += 1

    def _declared(self, event: dict[str, Any], name: str) -> None:
        """A restart says what the crash before it left behind."""
        content = b"\n".join(self.region)
        said = event["data"].get("torn") if isinstance(event["data"], dict) else None
        digest = hashlib.sha256(content).hexdigest()
        if not isinstance(said, dict) or (said.get("sha256"), said.get("bytes")) != (
            digest,
            len(content),
        ):
            self._problem(
                "torn_undeclared", event["seq"], self.region_file, "the restart names other bytes"
            )
        self.torn += len(self.region)
        self.region = []

    def _end_of_region(self) -> None:
        """Torn bytes at the very end: fine only as one line that a crash cut short just now."""
        self.torn += len(self.region)
        if len(self.region) > 1 or not self.unterminated:
            self._problem(
                "torn_undeclared", self.seq, self.region_file, "lines are damaged and undeclared"
            )

    def _bookkeeping(self, event: dict[str, Any]) -> None:
        data = event["data"] if isinstance(event["data"], dict) else {}
        if event["kind"] == "log.sealed":
            self.caches.setdefault(data.get("first_line", -1), set()).add(
                str(data.get("cache_sha256"))
            )
        elif event["kind"] == "log.opened" and isinstance(data.get("torn_checkpoint"), dict):
            self.torn_notes.pop(str(data["torn_checkpoint"].get("sha256")), None)

    def _check_head(self, seq: int, digest: str, name: str) -> None:
        for head in self.heads.pop(seq, ()):
            if head != digest:
                self._problem("head_differs", seq, name, "the head kept elsewhere is another one")

    def _check_notes(self, name: str) -> None:
        while self.notes and self.notes[0].size <= self.tree.size:
            note = self.notes.pop(0)
            if note.size < self.tree.size:
                continue
            claim = (self.seq - 1, self.prev)
            if note.root != self.tree.root():
                detail = f"the first {note.size} lines are not those that were signed"
                self._problem("checkpoint_differs", self.seq - 1, note.source, detail)
            elif note.claim is not None and note.claim != claim:
                self._problem("checkpoint_differs", self.seq - 1, note.source, f"not as in {name}")

    # The query cache.

    def _hash_caches(self) -> dict[str, str]:
        """Taken first: the writer announces a file before it puts it in place."""
        return {
            start: hashlib.sha256((self.root / "cache" / name).read_bytes()).hexdigest()
            for name, start in self._listing("cache")
        }

    def _check_caches(self, found: dict[str, str]) -> None:
        for start, digest in found.items():
            name = f"cache/seg-{start}.parquet"
            known = {EMPTY_CACHE_SHA256} if start == "empty" else self.caches.get(int(start), set())
            if digest not in known:
                self._problem("cache_changed", None, name, "queries would read other rows from it")
        for _, start in self._listing("sealed"):
            live = self.root / "live" / f"seg-{start}.jsonl"
            if start not in found and not live.exists():
                name = f"cache/seg-{start}.parquet"
                self._problem("cache_missing", None, name, "restart the server: it is rebuilt")

    def _problem(self, kind: str, seq: int | None, file: str, detail: str) -> None:
        if len(self.problems) < MAX_PROBLEMS:
            self.problems.append(Problem(kind, seq, file, detail))


def _parse(line: bytes) -> dict[str, Any] | None:
    """An event, or None if the line is not exactly one."""
    if not line.startswith(b'{"v":1,"seq":') or line[-75:-66] != b',"prev":"':
        return None
    try:
        event = json.loads(line)
    except ValueError:
        return None
    if not isinstance(event, dict) or set(event) != _KEYS or not isinstance(event["seq"], int):
        return None
    return event


def main() -> int:
    """The command line."""
    parser = argparse.ArgumentParser(description="Verify an audit ledger.")
    parser.add_argument("directory", type=Path)
    parser.add_argument("--key", type=Path, help="file with the ledger's vkey")
    parser.add_argument("--head", type=Path, help="a head exported earlier")
    arguments = parser.parse_args()
    vkey = arguments.key.read_text("utf-8").strip() if arguments.key else None
    heads = read_head_file(arguments.head) if arguments.head else ()
    report = verify(arguments.directory, vkey, heads)
    for problem in report.problems:
        print(f"{problem.kind}\tseq {problem.seq}\t{problem.file}\t{problem.detail}")
    verdict = "intact" if report.ok else "TAMPERED"
    print(
        f"{verdict}: {report.events} events, {report.torn} torn lines, "
        f"{report.checkpoints} checkpoints"
    )
    return 0 if report.ok else 1


if __name__ == "__main__":
    sys.exit(main())
