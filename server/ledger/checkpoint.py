"""Checkpoints: the size and Merkle root of the ledger as a C2SP signed note, and its Ed25519 key.

The private key is written once, 0600, and never leaves its file otherwise. The public half travels
as a `vkey` line (`name+id+base64`), the form that other tools for signed notes read.
"""

from __future__ import annotations

import base64
import hashlib
import os
from pathlib import Path

from cryptography.exceptions import UnsupportedAlgorithm
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
    load_pem_private_key,
)

from sandbox.errors import AssayError

_ED25519 = b"\x01"


class Signer:
    """Signs notes under one name."""

    def __init__(self, name: str, key: Ed25519PrivateKey) -> None:
        if not name or "+" in name or any(character.isspace() for character in name):
            raise AssayError("invalid_origin", f"{name!r} cannot name a key: no spaces, no '+'.")
        self.name = name
        self._key = key
        self._public = _raw(key.public_key())
        self._key_id = hashlib.sha256(name.encode() + b"\n" + _ED25519 + self._public).digest()[:4]

    @property
    def vkey(self) -> str:
        encoded = base64.b64encode(_ED25519 + self._public).decode()
        return f"{self.name}+{self._key_id.hex()}+{encoded}"

    def note(self, size: int, root: bytes) -> str:
        """A signed checkpoint: origin, number of lines, Merkle root."""
        text = f"{self.name}\n{size}\n{base64.b64encode(root).decode()}\n"
        signature = base64.b64encode(self._key_id + self._key.sign(text.encode())).decode()
        return f"{text}\n— {self.name} {signature}\n"


def create_key(path: Path, origin: str) -> str:
    """Make a signing key (0600, never overwritten) and return its public half as a vkey."""
    key = Ed25519PrivateKey.generate()
    signer = Signer(origin, key)
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    try:
        descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    except FileExistsError:
        raise AssayError(
            "key_exists",
            f"There is already a key at {path}.",
            "Keep it: without it the ledger cannot be continued under the same name.",
        ) from None
    with os.fdopen(descriptor, "wb") as file:
        file.write(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
        file.flush()
        os.fsync(file.fileno())
    return signer.vkey


def load_signer(path: Path, origin: str) -> Signer:
    """Open a key that `create_key` made."""
    try:
        key = load_pem_private_key(path.read_bytes(), password=None)
    except (OSError, ValueError, TypeError, UnsupportedAlgorithm) as error:
        raise AssayError(
            "ledger_key", f"The ledger's key {path} cannot be read: {type(error).__name__}."
        ) from None
    if not isinstance(key, Ed25519PrivateKey):
        raise AssayError("ledger_key", f"{path} is not an Ed25519 key.")
    return Signer(origin, key)


def _raw(key: Ed25519PublicKey) -> bytes:
    return key.public_bytes(Encoding.Raw, PublicFormat.Raw)
