"""The one writer of the ledger: durable appends with group commit, signed checkpoints.

All writing happens in one thread: it takes whatever has queued up, writes it with one write and one
fdatasync, and only then tells the callers. After a failed write or sync nobody knows what is on the
disk, so every later append is refused; a restart reads back what is really there. Nothing that was
written is ever changed or cut.
"""

from __future__ import annotations

import asyncio
import contextlib
import fcntl
import os
import queue
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from hashlib import sha256
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from server.ledger import reader
from server.ledger.checkpoint import Signer, load_signer
from server.ledger.events import Event, Receipt, encode_body, encode_line
from server.ledger.layout import Layout, sync_directory, write_all
from server.ledger.notes import Notes
from server.ledger.replay import replay
from server.ledger.sealing import Sealer
from server.ledger.views import write_audit_sql

_MAX_BATCH = 1024

Outcome = Receipt | AssayError


@dataclass(frozen=True)
class _Entry:
    """A line that waits to be written, and whom to tell. Without a body: a task for the thread."""

    body: str
    done: Callable[[Outcome], None]
    roll: bool = False
    loop: asyncio.AbstractEventLoop | None = None
    """Where `done` has to be called; without one, in the ledger's thread."""


class Ledger:
    """An open ledger. Safe to use from any thread and any event loop."""

    def __init__(
        self,
        layout: Layout,
        origin: str,
        signer: Signer | None,
        lock: int,
        *,
        checkpoint_every: int,
        checkpoint_s: float,
        segment_bytes: int,
        segment_age_s: float,
        seal_grace_s: float,
    ) -> None:
        self._layout = layout
        self._lock = lock
        self._segment_bytes = segment_bytes
        self._segment_age_s = segment_age_s
        tail = replay(layout, origin)
        self._tree, self._prev, self._seq = tail.tree, tail.prev, tail.next_seq
        self._segment, self._size, self._born = -1, 0, time.monotonic()
        opened: dict[str, object] = {"pid": os.getpid()}
        if tail.last_segment is not None:
            self._continue(tail.last_segment, tail.unterminated, tail.torn is not None)
        if tail.torn is not None:
            opened["torn"] = tail.torn.as_data()
        if self._segment < 0:
            self._start_segment()
        self._notes = Notes(layout.checkpoints, signer, checkpoint_every, checkpoint_s)
        if self._notes.torn:
            opened["torn_checkpoint"] = self._notes.torn
        self._head = Receipt(self._seq - 1, self._prev, "")
        self._failure: AssayError | None = None
        self._closing = False
        self._gate = threading.Lock()
        self._queue: queue.SimpleQueue[_Entry | None] = queue.SimpleQueue()
        self._sealer = Sealer(layout, self.append, lambda: self._segment, seal_grace_s)
        self._thread = threading.Thread(target=self._run, name="ledger", daemon=True)
        self._thread.start()
        self.append("log.opened", data=opened)
        self._sealer.start()

    @classmethod
    def open(
        cls,
        root: Path,
        origin: str,
        key_path: Path | None,
        *,
        checkpoint_every: int = 1000,
        checkpoint_s: float = 60.0,
        segment_bytes: int = 64 << 20,
        segment_age_s: float = 86_400.0,
        seal_grace_s: float = 60.0,
    ) -> Ledger:
        """Open a ledger for writing, creating it if need be.

        Without a key no checkpoints are signed; the chain alone then shows edits, but neither a cut
        end nor a whole rewrite.

        Raises:
            AssayError: `ledger_locked`, `ledger_corrupt`, `ledger_key` or `ledger_failed`.
        """
        layout = Layout(root.resolve())
        signer = load_signer(key_path, origin) if key_path else None
        layout.create()
        lock = _lock(layout.lock)
        try:
            write_audit_sql(layout)
            return cls(
                layout,
                origin,
                signer,
                lock,
                checkpoint_every=checkpoint_every,
                checkpoint_s=checkpoint_s,
                segment_bytes=segment_bytes,
                segment_age_s=segment_age_s,
                seal_grace_s=seal_grace_s,
            )
        except OSError as error:
            os.close(lock)
            raise _failed(error) from error
        except BaseException:
            os.close(lock)
            raise

    @property
    def head(self) -> Receipt:
        """The last durable event."""
        return self._head

    def append(
        self,
        kind: str,
        *,
        request: str = "",
        session: str = "",
        actor: str = "",
        role: str = "",
        tool: str = "",
        ok: bool | None = None,
        dur_ms: float | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """Write an event; return when it is durable.

        Raises:
            AssayError: `event_invalid`, `event_too_large`, `ledger_failed` or `ledger_closed`.
        """
        body = encode_body(
            kind,
            request=request,
            session=session,
            actor=actor,
            role=role,
            tool=tool,
            ok=ok,
            dur_ms=dur_ms,
            data=data,
        )
        return self._wait(body)

    async def record(
        self,
        kind: str,
        *,
        request: str = "",
        session: str = "",
        actor: str = "",
        role: str = "",
        tool: str = "",
        ok: bool | None = None,
        dur_ms: float | None = None,
        data: Mapping[str, Any] | None = None,
    ) -> Receipt:
        """`append` for asyncio: waits without holding a thread.

        Cancelling the caller does not take the event back.
        """
        body = encode_body(
            kind,
            request=request,
            session=session,
            actor=actor,
            role=role,
            tool=tool,
            ok=ok,
            dur_ms=dur_ms,
            data=data,
        )
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Receipt] = loop.create_future()

        def settle(outcome: Outcome) -> None:
            if future.done():
                return
            if isinstance(outcome, AssayError):
                future.set_exception(outcome)
            else:
                future.set_result(outcome)

        self._submit(_Entry(body, settle, loop=loop))
        return await future

    def events(self, kinds: Collection[str] | None = None, from_seq: int = 0) -> Iterator[Event]:
        """Events in order, read from the files; everything acknowledged before is among them."""
        return reader.events(self._layout, kinds, from_seq)

    def seal(self) -> list[Path]:
        """Close the current segment and seal all closed ones; return all sealed files."""
        self._wait("", roll=True)
        self._sealer.seal()
        return [self._layout.sealed_segment(s) for s in self._layout.sealed_starts()]

    def close(self) -> None:
        """Write the last event and checkpoint, and let go of the lock."""
        if self._closing:
            return
        self._sealer.stop()
        with contextlib.suppress(AssayError):  # after a failure there is nothing left to say
            self.append("log.closed")
        with self._gate:
            self._closing = True
            self._queue.put(None)
        self._thread.join()
        self._notes.close()
        for descriptor in (self._file, self._lock):
            os.close(descriptor)

    def __enter__(self) -> Ledger:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _wait(self, body: str, *, roll: bool = False) -> Receipt:
        outcome: list[Outcome] = []
        ready = threading.Lock()
        ready.acquire()

        def done(value: Outcome) -> None:
            outcome.append(value)
            ready.release()

        self._submit(_Entry(body, done, roll))
        ready.acquire()
        if isinstance(outcome[0], AssayError):
            raise outcome[0]
        return outcome[0]

    def _submit(self, entry: _Entry) -> None:
        with self._gate:
            if self._failure is not None:
                raise self._failure
            if self._closing:
                raise AssayError("ledger_closed", "The ledger is closed.")
            self._queue.put(entry)

    # What follows runs in the ledger's own thread only.

    def _run(self) -> None:
        stop = False
        while not stop:
            batch, stop = self._gather()
            outcomes: list[Outcome] = []
            try:
                if self._failure is not None:
                    raise self._failure
                outcomes = self._commit(batch)
            except Exception as error:
                self._fail(error)
                outcomes = [self._failed_outcome()] * len(batch)
            _tell(batch, outcomes)
            if self._failure is None and self._notes.due(self._tree.size, stop):
                try:
                    self._notes.write(self._tree, self._head)
                except Exception as error:
                    self._fail(error)

    def _gather(self) -> tuple[list[_Entry], bool]:
        """Wait for work, then take all that is there."""
        wait_s = None if self._failure else self._notes.wait_s(self._tree.size)
        try:
            first = self._queue.get(timeout=wait_s)
        except queue.Empty:
            return [], False
        batch: list[_Entry] = []
        entry = first
        while entry is not None:
            batch.append(entry)
            if len(batch) == _MAX_BATCH:
                return batch, False
            try:
                entry = self._queue.get_nowait()
            except queue.Empty:
                return batch, False
        return batch, True

    def _commit(self, batch: list[_Entry]) -> list[Outcome]:
        if not batch:
            return []
        if self._size and (
            self._size > self._segment_bytes
            or time.monotonic() - self._born > self._segment_age_s
            or any(entry.roll for entry in batch)
        ):
            os.close(self._file)
            self._start_segment()
            self._sealer.wake()
        ts = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        lines: list[bytes] = []
        outcomes: list[Outcome] = []
        for entry in batch:
            if entry.roll:
                outcomes.append(self._head)
                continue
            line = encode_line(self._seq, ts, entry.body, self._prev)
            self._prev = sha256(line).hexdigest()
            outcomes.append(Receipt(self._seq, self._prev, ts))
            self._seq += 1
            lines.append(line)
        if not lines:
            return outcomes
        content = b"\n".join(lines) + b"\n"
        write_all(self._file, content)
        os.fdatasync(self._file)
        for line in lines:
            self._tree.add(line)
        self._size += len(content)
        self._head = Receipt(self._seq - 1, self._prev, ts)
        return outcomes

    def _continue(self, segment: int, unterminated: bool, torn: bool) -> None:
        """Go on in the last segment, or leave it as it is and begin another."""
        path = self._layout.live_segment(segment)
        if not path.exists():
            return
        self._file = os.open(path, os.O_WRONLY | os.O_APPEND)
        if unterminated:
            write_all(self._file, b"\n")
        os.fdatasync(self._file)  # a killed writer may not have come to it
        self._size = os.fstat(self._file).st_size
        if self._size and (torn or self._size > self._segment_bytes):
            os.close(self._file)
            return
        self._segment = segment

    def _start_segment(self) -> None:
        first_line = self._tree.size
        self._file = os.open(
            self._layout.live_segment(first_line),
            os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_APPEND,
            0o600,
        )
        sync_directory(self._layout.live)
        self._segment, self._size, self._born = first_line, 0, time.monotonic()

    def _fail(self, error: Exception) -> None:
        with self._gate:
            if self._failure is None:
                self._failure = _failed(error)

    def _failed_outcome(self) -> AssayError:
        return self._failure or _failed(OSError("unknown"))


def _tell(batch: list[_Entry], outcomes: list[Outcome]) -> None:
    """Tell every caller its outcome; wake each event loop once."""
    loops: dict[asyncio.AbstractEventLoop, list[tuple[_Entry, Outcome]]] = {}
    for entry, outcome in zip(batch, outcomes, strict=True):
        if entry.loop is None:
            entry.done(outcome)
        else:
            loops.setdefault(entry.loop, []).append((entry, outcome))
    for loop, told in loops.items():
        with contextlib.suppress(RuntimeError):  # the loop was closed: nobody waits any more
            loop.call_soon_threadsafe(_tell_here, told)


def _tell_here(told: list[tuple[_Entry, Outcome]]) -> None:
    for entry, outcome in told:
        entry.done(outcome)


def export_head(root: Path) -> str:
    """The head of a ledger, to be kept where its owner cannot change it.

    Works beside a running server. Lines `seq head`, then the last signed checkpoint.

    Raises:
        AssayError: `ledger_empty`.
    """
    return reader.export_head(Layout(root.resolve()))


def _lock(path: Path) -> int:
    descriptor = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        os.close(descriptor)
        raise AssayError(
            "ledger_locked",
            f"Another process writes to the ledger in {path.parent}.",
            "One server per state directory: stop the other one, or use another --state.",
        ) from None
    return descriptor


def _failed(error: Exception) -> AssayError:
    if isinstance(error, AssayError):
        return error
    return AssayError(
        "ledger_failed",
        f"The ledger could not be written ({error}); nothing more is accepted.",
        "Free space or repair the disk, then restart: the server goes on from what is durable.",
    )
