"""Reading events and the head from the files, also beside a running writer.

Reads only whole lines. Trusts the chain no further than to tell events from torn lines; whether
anything was tampered with is the verifier's question.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterator
from hashlib import sha256

from sandbox.errors import AssayError
from server.ledger.events import Event, decode_line
from server.ledger.layout import Layout

_KIND = b',"kind":"'


def events(
    layout: Layout, kinds: Collection[str] | None = None, from_seq: int = 0
) -> Iterator[Event]:
    """Events in order. Torn lines, and what a crash left after them, are passed over."""
    wanted = None if kinds is None else {kind.encode() for kind in kinds}
    for start in layout.starts():
        for raw in layout.lines(start):
            if not raw.endswith(b"\n"):
                break
            kind = raw.partition(_KIND)[2].partition(b'"')[0]
            if wanted is not None and kind not in wanted and raw.endswith(b'"}\n'):
                continue
            event = decode_line(raw)
            if event is None:
                break  # torn: what follows up to the end of the segment was never acknowledged
            if event.seq >= from_seq:
                yield event


def export_head(layout: Layout) -> str:
    """`seq head` of the last event, made durable first, and the last signed checkpoint."""
    found: tuple[int, str] | None = None
    for start in reversed(layout.starts()):
        with layout.open_segment(start) as file:
            for raw in file:
                event = decode_line(raw) if raw.endswith(b"\n") else None
                if event is not None:
                    found = (event.seq, sha256(raw[:-1]).hexdigest())
            if found and layout.live_segment(start).exists():
                os.fdatasync(file.fileno())
        if found:
            break
    if not found:
        raise AssayError("ledger_empty", f"There is no event in {layout.root} yet.")
    note = ""
    if layout.checkpoints.exists():
        for line in reversed(layout.checkpoints.read_bytes().splitlines()):
            try:
                note = "\n" + json.loads(line)["note"]
                break
            except (ValueError, KeyError, TypeError):
                continue
    return f"{found[0]} {found[1]}\n{note}"
