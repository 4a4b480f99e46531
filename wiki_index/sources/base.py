"""What all connectors share."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from pydantic import BaseModel, ConfigDict, Field

from sandbox.errors import AssayError

MOST_BYTES = 8 << 20
"""A larger file is generated or data, and is skipped."""

_LICENCES = (
    ("Apache-2.0", re.compile(r"Apache License\s+Version 2\.0|SPDX[^\n]*Apache-2\.0", re.I)),
    ("BSD-3-Clause", re.compile(r"Neither the name|SPDX[^\n]*BSD-3-Clause", re.I)),
    ("BSD-2-Clause", re.compile(r"Redistribution and use in source and binary forms", re.I)),
    ("MIT", re.compile(r"MIT License|Permission is hereby granted, free of charge", re.I)),
    ("CC-BY-NC-4.0", re.compile(r"Attribution-NonCommercial 4\.0", re.I)),
    ("CC-BY-4.0", re.compile(r"Creative Commons Attribution 4\.0", re.I)),
)


class SourceSpec(BaseModel):
    """A source as the operator named it."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    kind: str
    location: str = Field(description="A path, or the name of an installed package.")
    name: str = Field(default="", description="Starts the ids of its pages, where they need it.")

    @property
    def root(self) -> Path:
        """The directory or file.

        Raises:
            AssayError: `missing_source`.
        """
        path = Path(self.location)
        if not path.exists():
            raise AssayError("missing_source", f"There is no source at {path}.")
        return path

    @property
    def label(self) -> str:
        """The name, or one made of the place."""
        return self.name or slug(Path(self.location).name)


@dataclass(frozen=True)
class Skipped:
    """Something that could not be read, and why."""

    path: str
    reason: str


def slug(text: str) -> str:
    """Lower case, with hyphens."""
    return re.sub(r"[^a-z0-9.]+", "-", text.lower()).strip("-.") or "source"


def licence_of(root: Path) -> str:
    """The licence that a tree declares, if it is one of the common ones."""
    for path in sorted(root.glob("LICEN[CS]E*")):
        if path.is_file():
            text = path.read_text("utf-8", "replace")[:20_000]
            for name, pattern in _LICENCES:
                if pattern.search(text):
                    return name
    return ""


def revision_of(root: Path) -> tuple[str, str]:
    """The commit that a Git checkout is at and where it came from, read from its files."""
    git = root / ".git"
    if git.is_file():  # a worktree: the file names the directory
        git = root / git.read_text("utf-8", "replace").removeprefix("gitdir:").strip()
    if not git.is_dir():
        return "", ""
    head = _text(git / "HEAD")
    common = git / _text(git / "commondir") if (git / "commondir").is_file() else git
    if head.startswith("ref:"):
        name = head.removeprefix("ref:").strip()
        head = _text(git / name) or _text(common / name) or _packed(common, name)
    url = re.search(
        r'\[remote "origin"\][^\[]*?url\s*=\s*(\S+)', _text(common / "config"), re.DOTALL
    )
    return (head if re.fullmatch(r"[0-9a-f]{40,64}", head) else ""), _public(url[1] if url else "")


def _public(url: str) -> str:
    """A remote's address without a user or a password."""
    url = re.sub(r"^git@([^:]+):", r"https://\1/", url)
    return re.sub(r"//[^/@]*@", "//", url).removesuffix(".git")


def _packed(git: Path, name: str) -> str:
    found = re.search(rf"^([0-9a-f]+) {re.escape(name)}$", _text(git / "packed-refs"), re.MULTILINE)
    return found[1] if found else ""


def _text(path: Path) -> str:
    return path.read_text("utf-8", "replace").strip() if path.is_file() else ""
