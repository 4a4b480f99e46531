"""The bridge from standard input and output to a running server.

For clients that start a server as a child process. Such a client may wait only about a second for
the first answer, so this module imports the standard library alone: it forwards each JSON-RPC line
as one HTTP request and each answer as one line, understanding no more of them than the transport
demands. That is also why it reads `ASSAY_TOKEN` itself: `server.settings` would cost a third of the
time there is.

The token is sent to the server and goes nowhere else: never printed, never into an error, and in
clear text only to this machine. Both protocol eras pass: the handshake's session id and version are
remembered and sent along, and a request that carries its own version gets the headers that its era
wants. A session that the server has forgotten (after a restart) is opened again unnoticed. The
stream that a session may hold open for messages outside of requests is not opened: this server
sends none.
"""

from __future__ import annotations

import base64
import http.client
import json
import os
import re
import socket
import stat
import sys
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO
from urllib.parse import SplitResult, urlsplit

UNREACHABLE = -31503
REFUSED = -31401
READ_TIMEOUT_S = 120.0
"""A silent stream is kept alive every 15 s: two minutes without a byte mean that it is dead."""
LINGER_S = 2.0

_VERSION_KEY = "io.modelcontextprotocol/protocolVersion"
_NAMED = {"tools/call": "name", "prompts/get": "name", "resources/read": "uri"}
_LOOPBACK = ("127.0.0.1", "localhost", "::1")
_PLAIN = re.compile(r"[\x21-\x7e]([\x20-\x7e]*[\x21-\x7e])?")
_SENTINEL = re.compile(r"=\?base64\?.*\?=")

Json = dict[str, Any]


class ConnectError(Exception):
    """The bridge cannot start; the message says what to do."""


def read_token(file: Path | None, environment: Mapping[str, str] | None = None) -> str:
    """The bearer token: from a file that only its owner can read, else from `ASSAY_TOKEN`.

    Raises:
        ConnectError: there is none, or others can read it.
    """
    if file is not None:
        token = _read_private(file)
    else:
        token = (os.environ if environment is None else environment).get("ASSAY_TOKEN", "").strip()
    if not token:
        raise ConnectError("there is no token: set ASSAY_TOKEN or pass --token-file")
    if not re.fullmatch(r"[\x21-\x7e]+", token):
        raise ConnectError("the token has characters that no token has")
    return token


def _read_private(file: Path) -> str:
    try:
        with file.open("rb") as opened:
            status = os.fstat(opened.fileno())
            if not stat.S_ISREG(status.st_mode) or stat.S_IMODE(status.st_mode) & 0o077:
                raise ConnectError(
                    f"{file} can be read by others; repair it with: chmod 600 {file}"
                )
            return opened.read(4096).decode("utf-8", "replace").strip()
    except OSError as error:
        raise ConnectError(f"cannot read {file}: {error.strerror}") from error


def bridge(
    url: str, token: str, reading: BinaryIO | None = None, writing: BinaryIO | None = None
) -> int:
    """Forward until the input ends; return the exit status."""
    try:
        target = _target(url)
    except ConnectError as error:
        print(f"assay connect: {error}", file=sys.stderr)
        return 2
    running = _Bridge(target, url, token, writing or sys.stdout.buffer)
    try:
        for line in reading or sys.stdin.buffer:
            running.take(line)
    except KeyboardInterrupt:
        pass
    finally:
        running.close()
    return 0


def _target(url: str) -> SplitResult:
    target = urlsplit(url)
    if target.scheme not in ("http", "https") or not target.hostname:
        raise ConnectError(f"{url} is not an http or https URL")
    if target.scheme == "http" and target.hostname not in _LOOPBACK:
        raise ConnectError(
            f"{target.hostname} is another machine, and http would send it the token in clear "
            "text; use https, or a tunnel to a local port"
        )
    return target


@dataclass
class _Session:
    """What the handshake era makes a client remember."""

    opening: Json | None = None
    headers: dict[str, str] = field(default_factory=dict)


@dataclass
class _Flight:
    """One request on its way."""

    message: Json
    modern: bool
    connection: http.client.HTTPConnection | None = None
    dropped: bool = False


class _Refused(Exception):
    """The server answered, but not with an answer to the request."""

    def __init__(self, status: int, error: Json) -> None:
        super().__init__(status)
        self.status = status
        self.error = error


class _Bridge:
    """Forwards messages; each request waits in a thread of its own."""

    def __init__(self, target: SplitResult, url: str, token: str, writing: BinaryIO) -> None:
        self._target = target
        self._url = url
        self._token = token
        self._writing = writing
        self._session = _Session()
        self._version = ""
        self._flights: dict[str, _Flight] = {}
        self._threads: set[threading.Thread] = set()
        self._lock = threading.Lock()
        self._reopening = threading.Lock()

    def take(self, line: bytes) -> None:
        """Handle one line of input."""
        if not line.strip():
            return
        try:
            message = json.loads(line)
            if not isinstance(message, dict):
                raise ValueError("not an object")
        except (ValueError, RecursionError):
            self._fail(None, -32700, "This line is not a JSON-RPC message.")
            return
        if "id" not in message or "method" not in message:
            self._notify(message)
        elif message["method"] == "initialize":  # what follows needs its session
            self._session = _Session(opening=message)
            self._request(message)
        else:
            thread = threading.Thread(target=self._request, args=(message,), daemon=True)
            self._threads.add(thread)
            thread.start()

    def close(self) -> None:
        """Give what is on its way a moment, then hang up."""
        deadline = time.monotonic() + LINGER_S
        streams = {_key(f.message) for f in list(self._flights.values()) if _is_stream(f.message)}
        while time.monotonic() < deadline and set(self._flights) - streams:
            time.sleep(0.01)
        for flight in list(self._flights.values()):
            self._hang_up(flight)
        if self._session.headers.get("Mcp-Session-Id"):
            try:
                self._send("DELETE", b"", dict(self._session.headers)).close()
            except (OSError, http.client.HTTPException):
                return  # the server is gone, and the session with it

    def _notify(self, message: Json) -> None:
        """Forward what needs no answer. A newer server takes a hang-up for a cancellation."""
        if message.get("method") == "notifications/cancelled":
            cancelled = (message.get("params") or {}).get("requestId")
            flight = self._flights.get(_key({"id": cancelled}))
            if flight is not None and flight.modern:
                self._hang_up(flight)
                return
            if flight is not None:
                flight.dropped = True
        try:
            response, connection = self._post(_Flight(message, self._is_modern(message)))
            response.read()
            connection.close()
        except (OSError, http.client.HTTPException):
            return  # nobody waits for an answer; the next request will say that the server is gone

    def _request(self, message: Json) -> None:
        flight = _Flight(message, self._is_modern(message))
        key = _key(message)
        self._flights[key] = flight
        try:
            self._exchange(flight)
        except _Refused as refused:
            self._answer_error(flight, refused.error)
        except (OSError, http.client.HTTPException, ValueError) as error:
            self._answer_error(
                flight,
                {
                    "code": UNREACHABLE,
                    "message": f"The server at {self._url} cannot be reached "
                    f"({_cause(error)}). Is it running? Start it with: assay serve",
                },
            )
        finally:
            if self._flights.get(key) is flight:
                del self._flights[key]
            self._threads.discard(threading.current_thread())

    def _exchange(self, flight: _Flight) -> None:
        """Send a request and pass its answers on, opening a lost session again once."""
        session = self._session.headers.get("Mcp-Session-Id")
        try:
            self._converse(flight)
        except _Refused as refused:
            if refused.status != 404 or not session or flight.modern:
                raise
            self._reopen(session)
            self._converse(flight)

    def _converse(self, flight: _Flight) -> None:
        response, connection = self._post(flight)
        try:
            if flight.message.get("method") == "initialize":
                session = response.getheader("mcp-session-id")
                self._session.headers = {"Mcp-Session-Id": session} if session else {}
            for answer in _messages(response):
                own = "method" not in answer and answer.get("id") in (flight.message["id"], None)
                if own and (response.status >= 400 or "jsonrpc" not in answer):
                    raise _Refused(response.status, answer.get("error") or {})
                if own and flight.message.get("method") == "initialize":
                    self._remember(answer)
                if not flight.dropped:
                    self._write(answer)
                if own:
                    return
            raise http.client.HTTPException(f"status {response.status} without an answer")
        finally:
            connection.close()

    def _remember(self, answer: Json) -> None:
        version = (answer.get("result") or {}).get("protocolVersion")
        if isinstance(version, str):
            self._session.headers["MCP-Protocol-Version"] = version

    def _reopen(self, lost: str) -> None:
        """Repeat the handshake, quietly: the client knows of no sessions."""
        with self._reopening:
            if self._session.headers.get("Mcp-Session-Id") != lost or not self._session.opening:
                return
            self._session.headers = {}
            flight = _Flight({**self._session.opening, "id": "reopen"}, modern=False, dropped=True)
            self._converse(flight)
            self._notify({"jsonrpc": "2.0", "method": "notifications/initialized"})

    def _is_modern(self, message: Json) -> bool:
        meta = (message.get("params") or {}).get("_meta") or {}
        version = meta.get(_VERSION_KEY)
        if isinstance(version, str) and message.get("method") != "initialize":
            self._version = version
            return True
        return "id" not in message and not self._session.opening and bool(self._version)

    def _post(self, flight: _Flight) -> tuple[http.client.HTTPResponse, Any]:
        message = flight.message
        headers = {"Content-Type": "application/json"}
        if flight.modern:
            headers["MCP-Protocol-Version"] = self._version
            headers["Mcp-Method"] = _header(str(message.get("method")))
            name = (message.get("params") or {}).get(_NAMED.get(str(message.get("method")), ""))
            if isinstance(name, str):
                headers["Mcp-Name"] = _header(name)
        elif message.get("method") != "initialize":
            headers.update(self._session.headers)
        body = json.dumps(message, separators=(",", ":")).encode()
        connection = self._send("POST", body, headers)
        flight.connection = connection
        return connection.getresponse(), connection

    def _send(
        self, method: str, body: bytes, headers: dict[str, str]
    ) -> http.client.HTTPConnection:
        kind = (
            http.client.HTTPSConnection
            if self._target.scheme == "https"
            else http.client.HTTPConnection
        )
        connection = kind(self._target.hostname or "", self._target.port, timeout=READ_TIMEOUT_S)
        headers["Accept"] = "application/json, text/event-stream"
        headers["Authorization"] = f"Bearer {self._token}"
        connection.request(method, self._target.path or "/", body, headers)
        return connection

    @staticmethod
    def _hang_up(flight: _Flight) -> None:
        flight.dropped = True
        opened = flight.connection.sock if flight.connection is not None else None
        if opened is not None:
            try:
                opened.shutdown(socket.SHUT_RDWR)
            except OSError:
                return  # it was closed already

    def _answer_error(self, flight: _Flight, error: Json) -> None:
        if not flight.dropped:
            code, message = error.get("code", REFUSED), error.get("message", "The server refused.")
            self._fail(flight.message["id"], code, message, error.get("data"))

    def _fail(self, identifier: object, code: int, message: str, data: object = None) -> None:
        error: Json = {"code": code, "message": message}
        if data is not None:
            error["data"] = data
        self._write({"jsonrpc": "2.0", "id": identifier, "error": error})

    def _write(self, message: Json) -> None:
        line = json.dumps(message, separators=(",", ":")).encode() + b"\n"
        with self._lock:
            self._writing.write(line)
            self._writing.flush()


def _messages(response: http.client.HTTPResponse) -> Iterator[Json]:
    """The JSON-RPC messages of a response, from plain JSON or from an event stream."""
    if response.headers.get_content_type() != "text/event-stream":
        body = response.read()
        try:
            message = json.loads(body)
        except ValueError:
            message = {"error": {"code": REFUSED, "message": f"HTTP {response.status}"}}
        yield message if isinstance(message, dict) else {}
        return
    data: list[str] = []
    for raw in response:
        line = raw.decode("utf-8", "replace").rstrip("\r\n")
        if line.startswith("data:"):
            data.append(line[5:].removeprefix(" "))
        elif not line:
            if any(data):
                yield json.loads("\n".join(data))
            data = []


def _header(value: str) -> str:
    """A value as the protocol puts it into a header: as it is if it is plain, else in Base64."""
    if not value or (_PLAIN.fullmatch(value) and not _SENTINEL.fullmatch(value)):
        return value
    encoded = base64.b64encode(value.encode("utf-8", "surrogatepass")).decode("ascii")
    return f"=?base64?{encoded}?="


def _key(message: Json) -> str:
    """An id as a key: "1" and 1 are different requests."""
    return json.dumps(message.get("id"))


def _is_stream(message: Json) -> bool:
    return message.get("method") == "subscriptions/listen"


def _cause(error: Exception) -> str:
    if isinstance(error, OSError) and error.strerror:
        return error.strerror
    return type(error).__name__
