"""The index in a process of its own: the server asks it and never imports LanceDB.

Started with the first question, started again if it dies. JSON lines over pipes.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Callable, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any

from sandbox.errors import AssayError
from wiki_index.models import BuildReport, IndexStats, IndexVersion, PageText, SearchAnswer
from wiki_index.sources.base import SourceSpec

Progress = Callable[[str, int, int], None]
PROGRESS = "progress "
"""Starts a line that is not the answer yet."""


class WikiClient:
    """The methods of `WikiIndex`, answered by a worker. Safe to use from several threads."""

    def __init__(
        self,
        directory: Path,
        on_close: Callable[[], None] | None = None,
        deny: Sequence[str] = (),
    ) -> None:
        self._directory = directory
        self._deny = tuple(deny)
        self._on_close = on_close
        self._process: subprocess.Popen[str] | None = None
        self._lock = threading.Lock()

    def build(
        self,
        sources: Sequence[SourceSpec | Path],
        deny: Sequence[str] = (),
        on_progress: Progress | None = None,
    ) -> BuildReport:
        """See `WikiIndex.build`."""
        named = [
            SourceSpec(kind="pages", location=str(item)) if isinstance(item, Path) else item
            for item in sources
        ]
        answer = self._ask(
            "build",
            on_progress,
            sources=[spec.model_dump() for spec in named],
            deny=list(deny),
        )
        return BuildReport.model_validate(answer)

    def search(
        self, query: str, k: int = 8, expand: str | None = None, **filters: str | None
    ) -> SearchAnswer:
        """See `WikiIndex.search`."""
        return SearchAnswer.model_validate(
            self._ask("search", None, query=query, k=k, expand=expand, **filters)
        )

    def read(self, page_id: str, section: str | None = None, max_chars: int = 6000) -> PageText:
        """See `WikiIndex.read`."""
        return PageText.model_validate(
            self._ask("read", page_id=page_id, section=section, max_chars=max_chars)
        )

    def stats(self) -> IndexStats:
        """See `WikiIndex.stats`."""
        return IndexStats.model_validate(self._ask("stats"))

    def rollback(self, version: str | None = None) -> IndexVersion:
        """See `WikiIndex.rollback`."""
        return IndexVersion.model_validate(self._ask("rollback", version=version))

    def close(self) -> None:
        """End the worker."""
        with self._lock:
            self._stop()
        if self._on_close is not None:
            self._on_close()
            self._on_close = None

    def __enter__(self) -> WikiClient:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def _ask(self, method: str, on_progress: Progress | None = None, **arguments: Any) -> Any:
        line = json.dumps({"method": method, "arguments": arguments}) + "\n"
        with self._lock:  # and once more if the worker died
            reply = self._exchange(line, on_progress) or self._exchange(line, on_progress)
        if reply is None:
            raise AssayError("wiki_failed", "The wiki worker died twice.", "Run: assay doctor")
        answer = json.loads(reply)
        if "error" in answer:
            raise AssayError(*answer["error"])
        return answer["result"]

    def _exchange(self, line: str, on_progress: Progress | None) -> str | None:
        process = self._start()
        assert process.stdin is not None and process.stdout is not None
        try:
            process.stdin.write(line)
            process.stdin.flush()
            reply = process.stdout.readline()
            while reply.startswith(PROGRESS):
                if on_progress is not None:
                    on_progress(*json.loads(reply.removeprefix(PROGRESS)))
                reply = process.stdout.readline()
        except OSError:
            reply = ""
        if not reply:
            self._stop()
            return None
        return reply

    def _start(self) -> subprocess.Popen[str]:
        if self._process is None:
            self._process = subprocess.Popen(
                [sys.executable, "-m", "wiki_index.worker", str(self._directory), *self._deny],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                text=True,
                encoding="utf-8",
                cwd=Path(__file__).resolve().parents[1],
                env={"PATH": "/usr/bin:/bin", "HOME": str(self._directory), "LC_ALL": "C.UTF-8"},
            )
        return self._process

    def _stop(self) -> None:
        process, self._process = self._process, None
        if process is None:
            return
        assert process.stdin is not None and process.stdout is not None
        with contextlib.suppress(OSError):  # what was not sent is lost with it
            process.stdin.close()
        try:
            process.wait(timeout=3)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
        process.stdout.close()


def main(directory: Path, deny: Sequence[str] = ()) -> None:
    """Answer questions until standard input ends."""
    from wiki_index.index import WikiIndex

    index = WikiIndex(directory, deny)
    for line in sys.stdin:
        request = json.loads(line)
        arguments = request["arguments"]
        if request["method"] == "build":
            arguments["sources"] = [
                SourceSpec.model_validate(item) for item in arguments["sources"]
            ]
            arguments["on_progress"] = _say
        try:
            result = getattr(index, request["method"])(**arguments)
            answer = {"result": result.model_dump(mode="json")}
        except AssayError as error:
            answer = {"error": [error.code, error.message, error.hint]}
        sys.stdout.write(json.dumps(answer) + "\n")
        sys.stdout.flush()


def _say(doing: str, done: int, total: int) -> None:
    sys.stdout.write(f"{PROGRESS}{json.dumps([doing, done, total])}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    main(Path(sys.argv[1]), sys.argv[2:])
