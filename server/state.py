"""The state directory: where everything durable lives, and who may read it.

Only the server's own user may enter it (0700). Candidate code never sees it: no sandbox binds it.
"""

from __future__ import annotations

import stat
from dataclasses import dataclass
from pathlib import Path

from sandbox.errors import AssayError

ORIGIN = "kernel-assay/ledger"


@dataclass(frozen=True)
class State:
    """Paths inside a state directory."""

    root: Path

    @property
    def ledger(self) -> Path:
        return self.root / "ledger"

    @property
    def ledger_key(self) -> Path:
        return self.root / "keys" / "ledger.ed25519"

    @property
    def ledger_vkey(self) -> Path:
        """The public half of the ledger's key: copy it elsewhere to verify without trust here."""
        return self.root / "keys" / "ledger.vkey"

    @property
    def principals(self) -> Path:
        return self.root / "principals.json"

    @property
    def artifacts(self) -> Path:
        return self.root / "artifacts"

    @property
    def solutions(self) -> Path:
        return self.root / "solutions"

    @property
    def compile_cache(self) -> Path:
        return self.root / "cache" / "compile"

    @property
    def problems(self) -> Path:
        return self.root / "problems"

    @property
    def wiki(self) -> Path:
        return self.root / "wiki"

    @property
    def work(self) -> Path:
        """Scratch space of sandboxes; safe to delete while no server runs."""
        return self.root / "work"

    @property
    def initialised(self) -> bool:
        return self.ledger_key.is_file()

    def create(self) -> None:
        """Make the directory and its parts, readable by the owner only."""
        self.root.mkdir(parents=True, exist_ok=True, mode=0o700)
        self.root.chmod(0o700)
        for path in (
            self.ledger,
            self.ledger_key.parent,
            self.artifacts,
            self.solutions,
            self.compile_cache,
            self.problems,
            self.wiki,
            self.work,
        ):
            path.mkdir(parents=True, exist_ok=True, mode=0o700)

    def require(self) -> None:
        """Refuse a directory that is missing or that others could read.

        Raises:
            AssayError: `not_initialised` or `state_permissions`.
        """
        if not self.initialised:
            raise AssayError(
                "not_initialised",
                f"{self.root} is not an initialised state directory.",
                f"Create it with: assay init --state {self.root}",
            )
        for path in (self.root, self.ledger_key.parent, self.ledger_key, self.principals):
            if path.exists() and stat.S_IMODE(path.stat().st_mode) & 0o077:
                raise AssayError(
                    "state_permissions",
                    f"{path} can be read by other users.",
                    f"Repair it with: chmod go= {path}",
                )
