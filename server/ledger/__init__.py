"""The audit ledger: append-only, hash-chained events with signed checkpoints.

Knows nothing of MCP, roles or kernels. The format is described in `docs/ledger-format.md`.
"""
