"""The checkpoint file: every so often a signed note over all lines so far."""

from __future__ import annotations

import json
import os
import time
from hashlib import sha256
from pathlib import Path

from server.ledger.checkpoint import Signer
from server.ledger.events import Receipt
from server.ledger.layout import write_all
from server.ledger.merkle import CompactRange


class Notes:
    """Appends signed notes. For the ledger's own thread only.

    Args:
        path: the file; a line that a crash cut short is ended, and told in `torn`.
        signer: None: nothing is signed or written.
        every: lines between two notes.
        every_s: seconds between two notes, if there is anything new.
    """

    def __init__(self, path: Path, signer: Signer | None, every: int, every_s: float) -> None:
        self._signer = signer
        self._every = every
        self._every_s = every_s
        self._size, self._at = 0, time.monotonic()
        self._file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
        self.torn = self._end_torn_line(path.read_bytes())

    def wait_s(self, size: int) -> float | None:
        """When the next one is due, with that many lines; None: not before there is a new line."""
        if self._signer is None or size == self._size:
            return None
        return max(0.0, self._at + self._every_s - time.monotonic())

    def due(self, size: int, last: bool) -> bool:
        """Whether to write one now; the first line and the last one get one in any case."""
        new = size - self._size
        late = time.monotonic() - self._at >= self._every_s
        return bool(new) and (last or self._size == 0 or new >= self._every or late)

    def write(self, tree: CompactRange, head: Receipt) -> None:
        """Sign what is there and make it durable."""
        if self._signer is not None:
            note = self._signer.note(tree.size, tree.root())
            line = json.dumps({"seq": head.seq, "head": head.head, "note": note})
            write_all(self._file, line.encode("ascii") + b"\n")
            os.fdatasync(self._file)
        self._size, self._at = tree.size, time.monotonic()

    def close(self) -> None:
        os.close(self._file)

    def _end_torn_line(self, content: bytes) -> dict[str, object] | None:
        if not content or content.endswith(b"\n"):
            return None
        write_all(self._file, b"\n")
        torn = content[content.rfind(b"\n") + 1 :]
        return {"bytes": len(torn), "sha256": sha256(torn).hexdigest()}
