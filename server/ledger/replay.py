"""Reading the ledger back at start: where the chain ends, and whether it may be continued.

Trusts the files only as far as the chain and the last checkpoint bear out. It never repairs by
cutting: what a crash left at the end stays as it is and is declared by the next event.
"""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from sandbox.errors import AssayError
from server.ledger.events import decode_line, genesis
from server.ledger.layout import Layout
from server.ledger.merkle import CompactRange


@dataclass(frozen=True)
class Torn:
    """Bytes at the end of a segment that are not events: a write that a crash cut short."""

    file: str
    size_bytes: int
    sha256: str

    def as_data(self) -> dict[str, object]:
        return {"file": self.file, "bytes": self.size_bytes, "sha256": self.sha256}


@dataclass
class Tail:
    """The end of the chain."""

    tree: CompactRange
    prev: str
    next_seq: int = 0
    last_segment: int | None = None
    torn: Torn | None = None
    unterminated: bool = False


def replay(layout: Layout, origin: str) -> Tail:
    """Read every line.

    Raises:
        AssayError: `ledger_corrupt` where the chain does not hold.
    """
    tail = Tail(CompactRange(), genesis(origin))
    checkpoint = _last_checkpoint(layout.checkpoints)
    rest = bytearray()
    torn_file = ""
    for start in layout.starts():
        name = f"seg-{start:012d}.jsonl"
        if start != tail.tree.size:
            raise _corrupt(f"{name} should begin with line {tail.tree.size}")
        tail.last_segment = start
        tail.unterminated = False
        for number, raw in enumerate(layout.lines(start)):
            line = raw.removesuffix(b"\n")
            tail.unterminated = len(line) == len(raw)
            signed = checkpoint is not None and tail.tree.size < checkpoint[0]
            if signed and (number == 0 or not torn_file) and _links(line, tail):
                # Durable before it was signed, so it cannot be half written: no need to parse.
                tail.next_seq += 1
                _take(tail, line, name, checkpoint)
                torn_file = ""
                rest.clear()
                continue
            event = decode_line(line)
            follows = event is not None and (event.prev, event.seq) == (tail.prev, tail.next_seq)
            if torn_file and number == 0 and follows:
                torn_file = ""
                rest.clear()
            if torn_file or event is None:
                torn_file = torn_file or name
                rest += raw
                if event is not None:
                    tail.next_seq = max(tail.next_seq, event.seq + 1)
            elif not follows:
                raise _corrupt(f"event {event.seq} in {name} does not follow from the one before")
            else:
                tail.next_seq = event.seq + 1
            _take(tail, line, name, checkpoint)
    if checkpoint and checkpoint[0] > tail.tree.size:
        raise _corrupt(
            f"the last checkpoint covers {checkpoint[0]} lines, there are {tail.tree.size}"
        )
    if torn_file:
        content = bytes(rest).removesuffix(b"\n")
        tail.torn = Torn(torn_file, len(content), sha256(content).hexdigest())
    return tail


def _links(line: bytes, tail: Tail) -> bool:
    """Whether a line says that it is the next one."""
    return line.startswith(b'{"v":1,"seq":%d,' % tail.next_seq) and line.endswith(
        b',"prev":"%s"}' % tail.prev.encode()
    )


def _take(tail: Tail, line: bytes, name: str, checkpoint: tuple[int, bytes] | None) -> None:
    """Make a line the end of the chain."""
    tail.prev = sha256(line).hexdigest()
    tail.tree.add(line)
    if checkpoint and tail.tree.size == checkpoint[0] and tail.tree.root() != checkpoint[1]:
        raise _corrupt(f"the lines up to {name} differ from the last checkpoint")


def _last_checkpoint(path: Path) -> tuple[int, bytes] | None:
    """Size and root of the last whole checkpoint. Signatures are the verifier's business."""
    if not path.exists():
        return None
    for line in reversed(path.read_bytes().splitlines()):
        try:
            size, root = json.loads(line)["note"].split("\n")[1:3]
            return int(size), base64.b64decode(root)
        except (ValueError, KeyError, TypeError):
            continue
    return None


def _corrupt(detail: str) -> AssayError:
    return AssayError(
        "ledger_corrupt",
        f"The ledger was changed outside the server: {detail}.",
        "Run `assay audit verify` to see where; keep the directory as evidence, start a new one.",
    )
