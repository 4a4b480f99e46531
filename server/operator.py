"""What an operator adds to a state directory, whether a server runs on it or not.

One process holds the ledger. If that is a server, the command line asks it, through a socket in the
state directory, where nobody but its owner can go; if not, it opens the state itself.
"""

from __future__ import annotations

import contextlib
import json
import os
import socket
import struct
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Literal, Protocol

from pydantic import BaseModel, ConfigDict, Field, TypeAdapter, ValidationError

from sandbox.errors import AssayError
from server.artifacts import Artifact, ArtifactStore
from server.journal import OPERATOR, Journal
from server.problems import Problems
from server.services import open_services
from server.settings import Settings
from server.state import State

SOCKET = "operator.sock"
MAX_MESSAGE = 1 << 16
ANSWER_S = 300.0


class AddProblem(BaseModel):
    """Pin the problem in a directory and open a campaign on it."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    op: Literal["problem.add"] = "problem.add"
    source: Path
    target_speedup: float


class AddArtifact(BaseModel):
    """Keep a file."""

    model_config = ConfigDict(frozen=True, extra="forbid")
    op: Literal["artifact.add"] = "artifact.add"
    file: Path


Request = AddProblem | AddArtifact


class Registries(Protocol):
    """What requests act on."""

    @property
    def state(self) -> State:
        """Where the socket is."""
        ...

    @property
    def journal(self) -> Journal:
        """Where additions are recorded."""
        ...

    @property
    def problems(self) -> Problems:
        """Pinned problems."""
        ...

    @property
    def artifacts(self) -> ArtifactStore:
        """Stored files."""
        ...


def add_problem(settings: Settings, source: Path, target_speedup: float) -> str:
    """Pin a problem; return its name.

    Raises:
        AssayError: whatever is wrong with it, or with the state directory.
    """
    return _ask(settings, AddProblem(source=source.absolute(), target_speedup=target_speedup))


def add_artifact(settings: Settings, file: Path) -> Artifact:
    """Keep a file under its content hash.

    Raises:
        AssayError: it cannot be read, is too large, or the state directory is at fault.
    """
    answer = _ask(settings, AddArtifact(file=file.absolute()))
    return Artifact.model_validate_json(answer)


@contextmanager
def operator_door(services: Registries) -> Iterator[None]:
    """Answer the command line's requests while a server holds the ledger."""
    path = services.state.root / SOCKET
    path.unlink(missing_ok=True)
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listener, _short(path) as address:
        listener.bind(address)
        path.chmod(0o600)
        listener.listen(8)
        thread = threading.Thread(target=_serve, args=(listener, services), daemon=True)
        thread.start()
        try:
            yield
        finally:
            listener.shutdown(socket.SHUT_RDWR)
            thread.join(timeout=5)
            path.unlink(missing_ok=True)


def _ask(settings: Settings, request: Request) -> str:
    try:
        with open_services(settings) as services:
            return _perform(services, request)
    except AssayError as error:
        if error.code != "ledger_locked":
            raise
        return _ask_server(settings, request, error)


def _ask_server(settings: Settings, request: Request, locked: AssayError) -> str:
    path = State(settings.state).root / SOCKET
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as channel, _short(path) as address:
        channel.settimeout(ANSWER_S)
        try:
            channel.connect(address)
            channel.send(request.model_dump_json().encode())
            answer = json.loads(channel.recv(MAX_MESSAGE))
        except (OSError, ValueError):
            raise locked from None  # some other command holds it
    if "error" in answer:
        raise AssayError(*answer["error"])
    return str(answer["result"])


def _serve(listener: socket.socket, services: Registries) -> None:
    while True:
        try:
            channel, _ = listener.accept()
        except OSError:
            return
        with channel, contextlib.suppress(OSError):
            channel.settimeout(ANSWER_S)
            if _peer(channel) in (0, os.geteuid()):
                channel.send(json.dumps(_answer(services, channel.recv(MAX_MESSAGE))).encode())


def _answer(services: Registries, packet: bytes) -> dict[str, object]:
    try:
        request: TypeAdapter[Request] = TypeAdapter(Annotated[Request, Field(discriminator="op")])
        return {"result": _perform(services, request.validate_json(packet))}
    except AssayError as error:
        return {"error": [error.code, error.message, error.hint]}
    except ValidationError:
        return {"error": ["invalid_request", "The server does not know this request.", ""]}


def _perform(services: Registries, request: Request) -> str:
    if isinstance(request, AddProblem):
        return services.problems.register(request.source, request.target_speedup).name
    try:
        content = request.file.read_bytes()
    except OSError as error:
        raise AssayError(
            "unreadable_file", f"{request.file} cannot be read: {error.strerror}.", ""
        ) from error
    kind = "ncu-report" if request.file.suffix == ".ncu-rep" else "file"
    stored = services.artifacts.put(content, name=request.file.name, kind=kind)
    services.journal.append("artifact.added", OPERATOR, stored)
    return stored.model_dump_json()


def _peer(channel: socket.socket) -> int:
    """The uid at the other end, as the kernel says."""
    size = struct.calcsize("3i")
    credentials = channel.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, size)
    return int(struct.unpack("3i", credentials)[1])


@contextmanager
def _short(path: Path) -> Iterator[str]:
    """A name of a socket that fits into the kernel's 108 bytes, however deep its directory lies."""
    directory = os.open(path.parent, os.O_PATH | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{directory}/{path.name}"
    finally:
        os.close(directory)
