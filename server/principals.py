"""Principals: who can connect, with which single role, and how their tokens are kept.

A token is 256 random bits, shown once. The state directory keeps only its SHA-256 (a slow hash
buys nothing for a secret of full entropy), its expiry and whether it was revoked.
"""

from __future__ import annotations

import hashlib
import hmac
import json
import os
import re
import secrets
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path

from pydantic import BaseModel, ConfigDict

from sandbox.errors import AssayError

DEFAULT_LIFETIME = timedelta(days=30)
TOKEN_PREFIX = "assay_"  # noqa: S105 - a prefix that secret scanners can look for, not a secret
_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,62}")


class Role(StrEnum):
    """What a principal is. Each has exactly one."""

    WRITER = "writer"
    VERIFIER = "verifier"
    AUDITOR = "auditor"


@dataclass(frozen=True)
class Principal:
    """An authenticated caller."""

    name: str
    role: Role


class PrincipalRecord(BaseModel):
    """What the state directory keeps about a principal."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    role: Role
    token_sha256: str
    expires: datetime
    revoked: bool = False

    def usable(self, now: datetime) -> bool:
        return not self.revoked and now < self.expires


class Principals:
    """The token file of a state directory.

    Every look-up checks whether the file changed, so that `assay principal revoke`, run by an
    operator in another process, takes effect on the next request.
    """

    def __init__(
        self, path: Path, on_change: Callable[[str, PrincipalRecord], None] | None = None
    ) -> None:
        """Open a token file; `on_change(event kind, record)` hears of changes by other processes."""
        self._path = path
        self._on_change = on_change
        self._stamp: tuple[int, int, int] | None = None
        self._records: dict[str, PrincipalRecord] = {}

    def add(
        self, name: str, role: Role, lifetime: timedelta = DEFAULT_LIFETIME
    ) -> tuple[PrincipalRecord, str]:
        """Create a principal and return it with its token, which is not kept anywhere."""
        if not _NAME.fullmatch(name):
            raise AssayError(
                "invalid_principal",
                f"{name!r} is not a valid principal name.",
                "Use lower-case letters, digits, '.', '_' and '-', at most 63 characters.",
            )
        records = dict(self._load())
        if name in records:
            raise AssayError(
                "principal_exists",
                f"A principal named {name!r} exists already.",
                f"Give it a new token with: assay principal rotate {name}",
            )
        return self._store(records, name, role, lifetime)

    def rotate(
        self, name: str, lifetime: timedelta = DEFAULT_LIFETIME
    ) -> tuple[PrincipalRecord, str]:
        """Replace a principal's token; the old one stops working at once."""
        records = dict(self._load())
        return self._store(records, name, self._get(records, name).role, lifetime)

    def revoke(self, name: str) -> PrincipalRecord:
        """Stop a principal's token from working. The name stays taken."""
        records = dict(self._load())
        record = self._get(records, name).model_copy(update={"revoked": True})
        records[name] = record
        self._save(records)
        return record

    def list(self) -> list[PrincipalRecord]:
        return sorted(self._load().values(), key=lambda record: record.name)

    def get(self, name: str) -> PrincipalRecord:
        return self._get(self._load(), name)

    def authenticate(self, token: str) -> Principal | None:
        """Return the principal that a token stands for, or None if it is unknown, expired or revoked."""
        digest = hashlib.sha256(token.encode("utf-8", "surrogatepass")).hexdigest()
        found: PrincipalRecord | None = None
        for record in self._load().values():
            if hmac.compare_digest(record.token_sha256, digest):
                found = record
        if found is None or not found.usable(datetime.now(UTC)):
            return None
        return Principal(found.name, found.role)

    def _store(
        self, records: dict[str, PrincipalRecord], name: str, role: Role, lifetime: timedelta
    ) -> tuple[PrincipalRecord, str]:
        token = TOKEN_PREFIX + secrets.token_urlsafe(32)
        record = PrincipalRecord(
            name=name,
            role=role,
            token_sha256=hashlib.sha256(token.encode()).hexdigest(),
            expires=datetime.now(UTC) + lifetime,
        )
        records[name] = record
        self._save(records)
        return record, token

    @staticmethod
    def _get(records: dict[str, PrincipalRecord], name: str) -> PrincipalRecord:
        try:
            return records[name]
        except KeyError:
            raise AssayError(
                "unknown_principal",
                f"There is no principal named {name!r}.",
                "List them with: assay principal list",
            ) from None

    def _load(self) -> dict[str, PrincipalRecord]:
        try:
            status = self._path.stat()
        except FileNotFoundError:
            return {}
        stamp = (status.st_ino, status.st_mtime_ns, status.st_size)
        if stamp != self._stamp:
            raw = json.loads(self._path.read_text("utf-8"))
            before, first = self._records, self._stamp is None
            self._records = {r["name"]: PrincipalRecord.model_validate(r) for r in raw}
            self._stamp = stamp
            if not first and self._on_change is not None:
                for name, record in self._records.items():
                    if (kind := _change(before.get(name), record)) is not None:
                        self._on_change(kind, record)
        return self._records

    def _save(self, records: dict[str, PrincipalRecord]) -> None:
        body = [records[name].model_dump(mode="json") for name in sorted(records)]
        descriptor, temporary = tempfile.mkstemp(dir=self._path.parent, prefix=".principals-")
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:  # mkstemp makes it 0600
            json.dump(body, file, indent=1)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).replace(self._path)


def _change(before: PrincipalRecord | None, after: PrincipalRecord) -> str | None:
    """The kind of event that turns one record into the other."""
    if before == after:
        return None
    if before is None:
        return "principal.added"
    return "principal.revoked" if after.revoked else "principal.rotated"
