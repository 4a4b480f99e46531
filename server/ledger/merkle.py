"""An RFC 6962 Merkle tree that only grows: O(log n) state, the root at any moment.

Trusts nothing and stores nothing; the writer feeds it every raw line.
"""

from __future__ import annotations

from hashlib import sha256


class CompactRange:
    """The right edge of the tree over the leaves that were added so far."""

    def __init__(self) -> None:
        self.size = 0
        self._edge: list[bytes] = []

    def add(self, leaf: bytes) -> None:
        """Add one leaf (the bytes of a line without its newline)."""
        node, index = sha256(b"\0" + leaf).digest(), self.size
        self.size += 1
        while index & 1:
            node = sha256(b"\1" + self._edge.pop() + node).digest()
            index >>= 1
        self._edge.append(node)

    def root(self) -> bytes:
        """The Merkle tree hash of RFC 6962, section 2.1."""
        if not self._edge:
            return sha256(b"").digest()
        node = self._edge[-1]
        for left in reversed(self._edge[:-1]):
            node = sha256(b"\1" + left + node).digest()
        return node
