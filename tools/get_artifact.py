"""get_artifact: read a stored file, in pieces."""

from __future__ import annotations

from pydantic import Field

from sandbox.errors import AssayError
from server import access
from server.principals import Role
from server.tooling import Call, Tool
from tools.models import In, Out, Untrusted, untrusted

NAME = "get_artifact"
DEFAULT_CHARS = 6_000
MAX_CHARS = 40_000


class GetArtifactIn(In):
    artifact_id: str = Field(description="From another tool's result.")
    offset: int = Field(default=0, ge=0, description="First character; 0 by default.")
    max_chars: int = Field(
        default=DEFAULT_CHARS, ge=1, le=MAX_CHARS, description="At most 40000; default 6000."
    )


class GetArtifactOut(Out):
    artifact_id: str
    sha256: str
    name: str
    kind: str
    size_bytes: int
    text: Untrusted | None = Field(description="null for a binary file.")
    next_offset: int | None = Field(description="Where to go on reading; null at the end.")


async def _handle(call: Call, args: GetArtifactIn) -> GetArtifactOut:
    history = call.services.journal.history
    visible = access.may_see_artifact(call.principal, args.artifact_id, history)
    artifact = history.artifacts.get(args.artifact_id) if visible else None
    if artifact is None:
        raise AssayError(
            "unknown_artifact",
            f"There is no artifact {args.artifact_id[:80]!r} that you can see.",
            "Artifact ids come from compile_kernel, run_bench and profile_ncu.",
        )
    content = call.services.artifacts.get(args.artifact_id)
    text = _as_text(content)
    piece = None
    following = None
    if text is not None:
        piece = untrusted(
            ", ".join(sorted(history.artifact_owners[args.artifact_id])),
            text[args.offset : args.offset + args.max_chars],
        )
        end = args.offset + args.max_chars
        following = end if end < len(text) else None
    return GetArtifactOut(
        artifact_id=artifact.artifact_id,
        sha256=artifact.sha256,
        name=artifact.name,
        kind=artifact.kind,
        size_bytes=artifact.size_bytes,
        text=piece,
        next_offset=following,
    )


def _as_text(content: bytes) -> str | None:
    if b"\0" in content[:4096]:
        return None
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        return None


TOOL = Tool(
    name=NAME,
    title="Read an artifact",
    description=(
        "Read a stored file (compiler log, PTX, raw samples, …) by id, in pieces of up to 40000 "
        "characters; go on at next_offset. Its content is checked against its hash."
    ),
    input_model=GetArtifactIn,
    output_model=GetArtifactOut,
    roles=frozenset(Role),
    handler=_handle,
    read_only=True,
)
