"""The block walk on constructed files."""

from __future__ import annotations

import struct
from pathlib import Path

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from ncu.container import scan
from sandbox.errors import AssayError


def sized(content: bytes) -> bytes:
    return struct.pack("<I", len(content)) + content


def block(*, results: int, payload: bytes, session: bytes = b"") -> bytes:
    assert len(payload) < 128 and len(session) < 128
    header = bytes([0x08, 0, 0x10, results])
    if session:
        header += bytes([0x1A, len(session)]) + session
    return sized(header + bytes([0x28, len(payload)])) + payload


HEAD = b"NVR\0" + sized(b"\x08\x07")
WHOLE = (
    HEAD
    + block(
        results=1, payload=b"abc", session=b"\n\x15Nsight Compute Target\x12,2025.3.1.0 (build 1)"
    )
    + block(results=2, payload=b"")
)


def test_results_and_writer(tmp_path: Path) -> None:
    path = tmp_path / "r"
    path.write_bytes(WHOLE)
    found = scan(path)
    assert found.results == 3
    assert found.ncu_version == "2025.3.1.0"


def test_every_cut_inside_a_block_is_found(tmp_path: Path) -> None:
    path = tmp_path / "r"
    first = len(HEAD)
    boundaries = {first, len(WHOLE) - len(block(results=2, payload=b"")), len(WHOLE)}
    for length in range(4, len(WHOLE)):
        path.write_bytes(WHOLE[:length])
        if length in boundaries:
            scan(path)
            continue
        with pytest.raises(AssayError) as caught:
            scan(path)
        assert caught.value.code == "unreadable_report"


@settings(max_examples=60, deadline=None, suppress_health_check=list(HealthCheck))
@given(st.binary(max_size=300))
def test_any_bytes_end_in_an_answer_or_a_refusal(tmp_path: Path, tail: bytes) -> None:
    path = tmp_path / "r"
    path.write_bytes(b"NVR\0" + tail)
    try:
        scan(path)
    except AssayError as error:
        assert error.code == "unreadable_report"
