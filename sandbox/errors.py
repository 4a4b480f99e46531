"""The one error type that crosses module borders.

It lives in the lowest package so that every other one can raise it without an import cycle.
Whoever reads the message may be a language model that has to recover on its own, hence the three
parts: what kind of failure, what happened, what to try next.
"""

from __future__ import annotations


class AssayError(Exception):
    """A failure that its reader can act on.

    Attributes:
        code: stable, machine-readable, `lower_snake_case` (`unknown_solution`, `sandbox_unavailable`).
        message: what failed and why, in one or two sentences, without secrets.
        hint: what to try next; empty when there is nothing to try.
    """

    def __init__(self, code: str, message: str, hint: str = "") -> None:
        super().__init__(message)
        self.code = code
        self.message = message
        self.hint = hint

    def __str__(self) -> str:
        return f"{self.message} {self.hint}".strip()


class SandboxFailure(AssayError):
    """The sandbox itself failed. Never the candidate's fault, never held against it."""


class CandidateFailure(AssayError):
    """The candidate's own code failed: it crashed, hung, or broke the runner's protocol."""
