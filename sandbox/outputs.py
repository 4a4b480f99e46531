"""Taking files out of a sandbox: by the trusted side, after the inside is dead.

What lies there was made by an adversary: only regular files with one name are taken, opened relative
to directory descriptors without following links, with limits on number and size.
"""

from __future__ import annotations

import os
import stat
from pathlib import Path

from sandbox.errors import CandidateFailure

MAX_FILES = 64
MAX_BYTES = 256 << 20
MAX_DEPTH = 4


def collect(directory: Path) -> dict[str, bytes]:
    """The regular files below a directory, by relative path. Everything else is left alone.

    Raises:
        CandidateFailure: `too_much_output`.
    """
    found: dict[str, bytes] = {}
    flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
    descriptor = os.open(directory, flags)
    try:
        _collect(descriptor, "", 0, found)
    finally:
        os.close(descriptor)
    return found


def _collect(directory: int, prefix: str, depth: int, found: dict[str, bytes]) -> None:
    for name in sorted(os.listdir(directory)):
        status = os.stat(name, dir_fd=directory, follow_symlinks=False)
        if stat.S_ISDIR(status.st_mode) and depth < MAX_DEPTH:
            flags = os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC
            below = os.open(name, flags, dir_fd=directory)
            try:
                _collect(below, f"{prefix}{name}/", depth + 1, found)
            finally:
                os.close(below)
        elif stat.S_ISREG(status.st_mode) and status.st_nlink == 1:
            total = sum(len(content) for content in found.values()) + status.st_size
            if len(found) >= MAX_FILES or total > MAX_BYTES:
                raise CandidateFailure(
                    "too_much_output",
                    f"More than {MAX_FILES} files or {MAX_BYTES >> 20} MiB were written.",
                )
            found[prefix + name] = _read(directory, name, status.st_size)


def _read(directory: int, name: str, size: int) -> bytes:
    flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
    descriptor = os.open(name, flags, dir_fd=directory)
    with os.fdopen(descriptor, "rb") as file:
        if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
            return b""
        return file.read(size)
