"""Artifacts: content-addressed files (sources, cubins, logs, reports, raw samples).

Bytes are named by their SHA-256 and checked against it on every read, so an artifact that was
changed on disk is an error and never evidence.
"""

from __future__ import annotations

import hashlib
import os
import re
import tempfile
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox.errors import AssayError

_ID = re.compile(r"art_[0-9a-f]{32}")


class Artifact(BaseModel):
    """What is known about an artifact."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    artifact_id: str
    sha256: str
    size_bytes: int
    name: str
    kind: str


class ArtifactStore:
    """Files below one directory, named by hash."""

    def __init__(self, root: Path, max_bytes: int) -> None:
        self._root = root
        self._max_bytes = max_bytes

    def put(self, content: bytes, *, name: str, kind: str) -> Artifact:
        """Store bytes durably; storing the same bytes again changes nothing."""
        if len(content) > self._max_bytes:
            raise AssayError(
                "artifact_too_large",
                f"{name} has {len(content)} bytes; the limit is {self._max_bytes}.",
                "Split it, or ask the operator to raise max_artifact_bytes.",
            )
        digest = hashlib.sha256(content).hexdigest()
        target = self._root / digest[:2] / digest
        if not target.exists():
            target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
            descriptor, temporary = tempfile.mkstemp(dir=target.parent, prefix=".new-")
            with os.fdopen(descriptor, "wb") as file:
                file.write(content)
                file.flush()
                os.fsync(file.fileno())
            Path(temporary).chmod(0o400)
            Path(temporary).replace(target)
        return Artifact(
            artifact_id=f"art_{digest[:32]}",
            sha256=digest,
            size_bytes=len(content),
            name=name,
            kind=kind,
        )

    def path(self, artifact_id: str) -> Path:
        """Where an artifact lies, after checking its content.

        Raises:
            AssayError: `unknown_artifact` or `artifact_corrupt`.
        """
        if not _ID.fullmatch(artifact_id):
            raise AssayError(
                "unknown_artifact",
                f"{artifact_id[:80]!r} is not an artifact id.",
                "Artifact ids look like art_ followed by 32 hex digits.",
            )
        prefix = artifact_id.removeprefix("art_")
        matches = list((self._root / prefix[:2]).glob(prefix + "*"))
        if len(matches) != 1:
            raise AssayError("unknown_artifact", f"There is no artifact {artifact_id}.")
        with matches[0].open("rb") as file:
            digest = hashlib.file_digest(file, "sha256").hexdigest()
        if digest != matches[0].name:
            raise AssayError(
                "artifact_corrupt",
                f"Artifact {artifact_id} was changed on disk: its hash no longer matches its name.",
                "Do not use it as evidence; tell the operator.",
            )
        return matches[0]

    def get(self, artifact_id: str) -> bytes:
        return self.path(artifact_id).read_bytes()
