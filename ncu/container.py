"""The outer structure of an `.ncu-rep` file: is it one, is it whole, who wrote it.

NVIDIA's reader takes a truncated file for a smaller report and says nothing, so this walk over the
blocks comes first: a file that ends before its last block does is refused. The file is
`NVR\\0`, a length-prefixed header message, then blocks: a length-prefixed protobuf header that
carries the size of the payload behind it. Pure Python, bounds-checked, allocates little; the bytes
are untrusted.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

from pydantic import BaseModel, ConfigDict

from sandbox.errors import AssayError

MAGIC = b"NVR\0"
MAX_HEADER_BYTES = 64 << 20
MAX_BLOCKS = 1_000_000

_HEADER_RESULTS, _HEADER_SESSION, _HEADER_PAYLOAD_SIZE = 2, 3, 5
_WRITER = re.compile(rb"Nsight Compute Target\x12.(\d{4}\.\d+(?:\.\d+)*)", re.DOTALL)


class Container(BaseModel):
    """What the blocks say without reading any result."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    results: int
    ncu_version: str | None = None


def scan(path: Path) -> Container:
    """Walk the blocks of a report.

    Raises:
        AssayError: `not_a_report`, or `unreadable_report` for a truncated or damaged file.
    """
    try:
        with path.open("rb") as file:
            return _scan(file, path.stat().st_size)
    except OSError as error:
        raise AssayError(
            "unreadable_report", f"The report cannot be opened: {error.strerror}."
        ) from error


def _scan(file: BinaryIO, size: int) -> Container:
    if file.read(len(MAGIC)) != MAGIC:
        raise AssayError(
            "not_a_report",
            "The file is not an Nsight Compute report: it does not begin with NVR.",
            "Give the .ncu-rep file that `ncu -o NAME` wrote, not its text or CSV output.",
        )
    _sized(file, size)
    results = 0
    version = None
    for _ in range(MAX_BLOCKS):
        if file.tell() == size:
            return Container(results=results, ncu_version=version)
        payload = 0
        for field, value in _fields(_sized(file, size)):
            if field == _HEADER_RESULTS and isinstance(value, int):
                results += value
            elif field == _HEADER_PAYLOAD_SIZE and isinstance(value, int):
                payload = value
            elif field == _HEADER_SESSION and isinstance(value, bytes):
                found = _WRITER.search(value)
                version = found[1].decode() if found else version
        if payload > size - file.tell():
            raise _damaged("it ends inside a block")
        file.seek(payload, 1)
    raise _damaged("it has too many blocks")


def _sized(file: BinaryIO, size: int) -> bytes:
    prefix = file.read(4)
    if len(prefix) < 4:
        raise _damaged("it ends inside a block header")
    (length,) = struct.unpack("<I", prefix)
    if length > min(size - file.tell(), MAX_HEADER_BYTES):
        raise _damaged("it ends inside a block header")
    return file.read(length)


def _fields(message: bytes) -> Iterator[tuple[int, int | bytes]]:
    """The fields of a protobuf message, undecoded."""
    at = 0
    while at < len(message):
        key, at = _varint(message, at)
        wire = key & 7
        if wire == 0:
            value, at = _varint(message, at)
            yield key >> 3, value
            continue
        if wire == 2:
            length, at = _varint(message, at)
        elif wire in (1, 5):
            length = 8 if wire == 1 else 4
        else:
            raise _damaged("a block header does not parse")
        if length > len(message) - at:
            raise _damaged("a block header does not parse")
        yield key >> 3, message[at : at + length]
        at += length


def _varint(message: bytes, at: int) -> tuple[int, int]:
    value = 0
    for shift in range(0, 64, 7):
        if at >= len(message):
            break
        byte = message[at]
        at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
    raise _damaged("a block header does not parse")


def _damaged(why: str) -> AssayError:
    return AssayError(
        "unreadable_report",
        f"The report is truncated or damaged: {why}.",
        "Copy it again, compare the sizes, or capture again.",
    )
