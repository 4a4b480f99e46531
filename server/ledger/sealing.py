"""Sealing closed segments: raw lines to `.zst`, columns to Parquet, then the live file goes.

The order is safe at any crash: compressed copy (compared with the original), an event that names
the Parquet file's hash, that file, and after a grace period for running readers the live file is
removed. DuckDB runs in a process of its own, so the server never loads it.
"""

from __future__ import annotations

import io
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from hashlib import file_digest
from pathlib import Path
from typing import Any

from sandbox.errors import AssayError
from server.ledger import duck_worker, reader
from server.ledger.layout import Layout, sync_directory, write_file
from server.ledger.views import cache_sql

_WAKE_S = 30.0
_CACHE_TIMEOUT_S = 600.0
_SCRATCH = ".sealing-"
"""Hidden: whatever a killed process leaves in there is no part of the ledger."""


class Sealer:
    """Seals in the background, one pass at a time."""

    def __init__(
        self,
        layout: Layout,
        append: Callable[..., Any],
        active: Callable[[], int],
        grace_s: float,
    ) -> None:
        self._layout = layout
        self._append = append
        self._active = active
        self._grace_s = grace_s
        self._pass = threading.Lock()
        self._wake = threading.Event()
        self._stopping = False
        self._declared: set[int] | None = None
        self._thread = threading.Thread(target=self._run, name="ledger-sealer", daemon=True)
        self.problem: AssayError | None = None

    def start(self) -> None:
        for scratch in self._layout.cache.glob(f"{_SCRATCH}*"):
            shutil.rmtree(scratch, ignore_errors=True)
        self._thread.start()

    def wake(self) -> None:
        self._wake.set()

    def stop(self) -> None:
        self._stopping = True
        self._wake.set()
        if self._thread.ident is not None:
            self._thread.join()

    def seal(self) -> None:
        """Seal every closed segment, remove live copies whose grace is over."""
        with self._pass:
            declared = self._known()
            for start in self._layout.live_starts():
                if start >= self._active() or self._stopping:
                    break
                if start not in declared:
                    self._seal(start)
                    declared.add(start)
                self._remove_live(start)
            for start in self._layout.sealed_starts():
                if not self._layout.cache_segment(start).exists() and not self._stopping:
                    self._build_cache(start)

    def _run(self) -> None:
        while True:
            # Waiting comes first: starting a server should not pay for old segments.
            self._wake.wait(_WAKE_S)
            self._wake.clear()
            if self._stopping:
                return
            try:
                self.seal()
                self.problem = None
            except AssayError as error:
                self.problem = error
            except (OSError, subprocess.SubprocessError) as error:
                # Nothing is lost while a segment stays live; the next pass tries again.
                self.problem = AssayError("seal_failed", f"Sealing a segment failed: {error}")

    def _known(self) -> set[int]:
        """Segments that an event says were sealed."""
        if self._declared is None:
            self._declared = {
                int(event.data["first_line"])
                for event in reader.events(self._layout, ["log.sealed"])
            }
        return self._declared

    def _seal(self, start: int) -> None:
        import zstandard

        content = self._layout.live_segment(start).read_bytes()
        packed = zstandard.ZstdCompressor(level=6, write_checksum=True).compress(content)
        with zstandard.ZstdDecompressor().stream_reader(io.BytesIO(packed)) as back:
            if back.read(len(content) + 1) != content:
                raise AssayError("seal_failed", f"Segment {start} did not survive compression.")
        write_file(self._layout.sealed_segment(start), packed, 0o400)
        self._build_cache(start)

    def _build_cache(self, start: int) -> None:
        """Write a segment's Parquet file, announced by an event before it is in place."""
        target = self._layout.cache_segment(start)
        with tempfile.TemporaryDirectory(dir=self._layout.cache, prefix=_SCRATCH) as scratch:
            source = self._layout.live_segment(start)
            if not source.exists():
                source = Path(scratch, "raw.jsonl")
                with self._layout.open_segment(start) as packed, source.open("wb") as raw:
                    shutil.copyfileobj(packed, raw, 1 << 20)
            parquet = Path(scratch, target.name)
            request = {"mode": "cache", "sql": cache_sql(source, parquet)}
            subprocess.run(
                [sys.executable, "-I", duck_worker.__file__],
                input=json.dumps(request).encode(),
                env={},
                check=True,
                capture_output=True,
                timeout=_CACHE_TIMEOUT_S,
            )
            with parquet.open("rb") as file:
                digest = file_digest(file, "sha256").hexdigest()
                os.fchmod(file.fileno(), 0o400)
                os.fsync(file.fileno())
            self._append("log.sealed", data={"first_line": start, "cache_sha256": digest})
            parquet.replace(target)
        sync_directory(self._layout.cache)

    def _remove_live(self, start: int) -> None:
        sealed = self._layout.sealed_segment(start)
        complete = sealed.exists() and self._layout.cache_segment(start).exists()
        if complete and time.time() - sealed.stat().st_mtime >= self._grace_s:
            self._layout.live_segment(start).unlink()
            sync_directory(self._layout.live)
