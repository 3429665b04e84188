"""A web server of the test's own, on 127.0.0.1: it answers as it is told, and remembers what it was asked."""

from __future__ import annotations

import contextlib
import socket
import ssl
import struct
import threading
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

CERTIFICATE = Path(__file__).with_name("localhost.pem")
PATIENCE = 30.0


@dataclass(frozen=True, kw_only=True)
class Reply:
    """An answer. `raw` stands for all of it, as bytes on the wire; the connection is closed afterwards.

    With `holds` it is held open until the server is closed or the client has gone; with `resets` it is torn down.
    """

    status: int = 200
    body: bytes = b""
    headers: Mapping[str, str] = field(default_factory=dict)
    raw: bytes | None = None
    holds: bool = False
    resets: bool = False


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A request as it came; header names are lower case."""

    method: str
    path: str
    headers: Mapping[str, str]
    body: bytes


Answers = Mapping[str, "Reply | list[Reply] | Callable[[Seen], Reply]"]


class LocalServer:
    """Answers by path (without its query); a list is used up one after the other, its last item stays.

    It looks every so many seconds whether it has to close.
    """

    def __init__(self, *, tls: bool = False, poll_seconds: float = 0.01) -> None:
        self.answers: dict[str, Reply | list[Reply] | Callable[[Seen], Reply]] = {}
        self.seen: list[Seen] = []
        self.arrived = threading.Event()
        self.client_gone = threading.Event()
        self._server = ThreadingHTTPServer(("127.0.0.1", 0), _Handler)
        self._server.daemon_threads = True
        self._server.block_on_close = False
        self._server.told = self  # type: ignore[attr-defined]
        if tls:
            self._server.socket = _server_context().wrap_socket(self._server.socket, server_side=True)
        self._server.handle_error = lambda *_: None  # type: ignore[method-assign]
        self.port = int(self._server.server_address[1])
        threading.Thread(target=self._server.serve_forever, kwargs={"poll_interval": poll_seconds}, daemon=True).start()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    def reply_to(self, seen: Seen) -> Reply:
        answer = self.answers.get(seen.path.partition("?")[0], Reply(status=404, body=b"nothing here"))
        if isinstance(answer, list):
            return answer.pop(0) if len(answer) > 1 else answer[0]
        return answer if isinstance(answer, Reply) else answer(seen)

    def close(self) -> None:
        self.client_gone.set()
        self._server.shutdown()
        self._server.server_close()


class _Handler(BaseHTTPRequestHandler):
    server: Any

    def _answer(self) -> None:
        told: LocalServer = self.server.told
        length = int(self.headers.get("Content-Length") or 0)
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = Seen(method=self.command, path=self.path, headers=headers, body=self.rfile.read(length))
        told.seen.append(seen)
        reply = told.reply_to(seen)
        self._write(reply)
        told.arrived.set()
        if reply.holds:
            self._hold(told)
        if reply.resets:
            self.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
        self.close_connection = True

    do_GET = do_HEAD = do_POST = do_PUT = do_PATCH = do_DELETE = do_OPTIONS = _answer  # noqa: N815

    def do_CONNECT(self) -> None:
        """Play proxy and target in one: from here on the client speaks TLS."""
        told: LocalServer = self.server.told
        told.seen.append(Seen(method="CONNECT", path=self.path, headers=dict(self.headers.items()), body=b""))
        self.send_response(200)
        self.end_headers()
        self.connection = _server_context().wrap_socket(self.connection, server_side=True)
        self.rfile = self.connection.makefile("rb", -1)  # type: ignore[assignment]
        self.wfile = self.connection.makefile("wb", 0)  # type: ignore[assignment]
        self.close_connection = False
        self.handle_one_request()
        self.connection.close()

    def _write(self, reply: Reply) -> None:
        if reply.raw is not None:
            self.wfile.write(reply.raw)
            return
        self.send_response(reply.status)
        for name, value in reply.headers.items():
            self.send_header(name, value)
        if "Content-Length" not in reply.headers:
            self.send_header("Content-Length", str(len(reply.body)))
        self.end_headers()
        if self.command != "HEAD":
            self.wfile.write(reply.body)

    def _hold(self, told: LocalServer) -> None:
        self.connection.settimeout(0.05)
        while not told.client_gone.is_set():
            try:
                if not self.connection.recv(1):
                    told.client_gone.set()
            except TimeoutError:
                continue
            except OSError:
                told.client_gone.set()

    def log_message(self, format: str, *args: object) -> None:
        pass


def _server_context() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(CERTIFICATE)
    return context


@contextlib.contextmanager
def local_server(answers: Answers | None = None, *, tls: bool = False) -> Iterator[LocalServer]:
    """Yield a server that is closed at the end."""
    server = LocalServer(tls=tls)
    server.answers.update(answers or {})
    try:
        yield server
    finally:
        server.close()
