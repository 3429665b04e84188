"""One request and its answer over a connection that another thread can end; no redirects, no rules, no bodies read."""

from __future__ import annotations

import contextlib
import socket
import threading
from collections.abc import Mapping, Sequence
from functools import cache
from http.client import BadStatusLine, HTTPException, HTTPResponse, UnknownProtocol
from typing import TYPE_CHECKING

from checkpointflow.errors import UnsupportedError
from checkpointflow.kernel.effects import EffectStopped, OutcomeLost
from checkpointflow.records import dataclass
from checkpointflow.steps.hosts import Proxy
from checkpointflow.steps.urls import Url

if TYPE_CHECKING:
    import ssl
    from io import BufferedReader

    from urllib3 import BaseHTTPResponse
    from urllib3.connection import HTTPConnection

_FIRST_FINAL = 200
CONNECT_SECONDS = 10.0
"""How long one address may take to take up a connection, TLS included, before the next one is tried."""

_LOADING = threading.Lock()


@dataclass(frozen=True, kw_only=True, slots=True)
class Request:
    """What is asked; `headers` are all that is sent but `Host` and the length of the body."""

    method: str
    url: Url
    headers: Mapping[str, str]
    body: bytes | None


@dataclass(frozen=True, kw_only=True, slots=True)
class Route:
    """Where a request goes: addresses as numbers, one after the other until one answers; those of the proxy if any."""

    addresses: Sequence[str]
    port: int
    proxy: Proxy | None = None


class Unreached(Exception):  # noqa: N818 - an outcome, which the kind turns into the step's
    """No connection came to be, so nothing was sent; `is_trust` says that the certificate was at fault."""

    def __init__(self, reason: str, *, is_trust: bool = False) -> None:
        super().__init__(reason)
        self.is_trust = is_trust


class Line:
    """The one connection that an attempt has open; `environment` may name the certificates that are trusted."""

    def __init__(self, environment: Mapping[str, str]) -> None:
        self._environment = environment
        self._lock = threading.Lock()
        self._connection: HTTPConnection | None = None
        self._socket: object = None
        self._response: BaseHTTPResponse | None = None
        self._is_ended = False

    def send(self, request: Request, route: Route) -> BaseHTTPResponse:
        """Connect, send a request, and return its answer once the headers are there; the body is still to be read.

        Raises:
            Unreached: no connection came to be.
            OutcomeLost: it broke after something was sent, or what came is not HTTP.
            EffectStopped: the line was ended.
            UnsupportedError: the certificates to trust cannot be read.
        """
        _load()
        from urllib3.exceptions import HTTPError

        connection = self._connected(request.url, route)
        proxied = route.proxy is not None and request.url.scheme == "http"
        headers = {"Host": request.url.authority, **request.headers}
        if proxied and route.proxy is not None and route.proxy.authorization is not None:
            headers["Proxy-Authorization"] = route.proxy.authorization
        target = str(request.url) if proxied else request.url.target
        try:
            with contextlib.suppress(BrokenPipeError, ConnectionResetError):  # it may have answered before it read all
                connection.request(request.method, target, request.body, headers, preload_content=False)
            self._response = connection.getresponse()
        except (HTTPError, OSError, HTTPException) as error:
            raise OutcomeLost(
                f"{request.url.origin} was sent the request and did not answer: {reason(error)}"
            ) from None
        if self._response.status < _FIRST_FINAL:
            fact = f"was sent the request and answered {self._response.status}, which is not the end of it"
            raise OutcomeLost(f"{request.url.origin} {fact}")
        return self._response

    def end(self) -> None:
        """Break the connection, and let no other come to be; may be called from any thread."""
        with self._lock:
            self._is_ended = True
            connection = self._connection
        if connection is not None:
            _break(self._socket or connection.sock)

    def close(self) -> None:
        """Close the connection; called by the thread that sends."""
        with self._lock:
            connection, self._connection, self._socket = self._connection, None, None
        response, self._response = self._response, None
        for one in (response, connection):
            if one is not None:
                one.close()

    def _connected(self, url: Url, route: Route) -> HTTPConnection:
        """Return a connection to the first address that takes it up."""
        failure = Unreached("it has no address")
        for address in route.addresses:
            try:
                return self._connected_to(address, url, route)
            except Unreached as error:
                failure = error
        raise failure

    def _connected_to(self, address: str, url: Url, route: Route) -> HTTPConnection:
        from urllib3.exceptions import HTTPError

        self.close()
        connection = self._new(address, url, route)
        with self._lock:
            if self._is_ended:
                raise EffectStopped
            self._connection = connection
        try:
            connection.connect()
        except (HTTPError, OSError, ValueError, HTTPException) as error:
            raise Unreached(reason(error), is_trust=_is_trust(error)) from None
        self._socket = connection.sock  # the connection may let go of it before the answer is read
        connection.timeout = None  # from here on only the step's own time counts
        if self._is_ended:
            raise EffectStopped
        return connection

    def _new(self, address: str, url: Url, route: Route) -> HTTPConnection:
        """Return a connection that is not open yet; it goes to the address, whatever the name is."""
        from urllib3.connection import HTTPConnection, HTTPSConnection

        if url.scheme == "http":
            plain = HTTPConnection(address, route.port, timeout=CONNECT_SECONDS)
            plain.response_class = _WholeHead
            return plain
        context = _trust(self._environment.get("SSL_CERT_FILE"), self._environment.get("SSL_CERT_DIR"))
        connection = HTTPSConnection(
            address, route.port, timeout=CONNECT_SECONDS, ssl_context=context, server_hostname=url.host
        )
        connection.response_class = _WholeHead
        if route.proxy is not None:
            authorization = route.proxy.authorization
            headers = {"Proxy-Authorization": authorization} if authorization is not None else None
            connection.set_tunnel(url.host, url.port, headers)
        return connection


def _load() -> None:
    """Have one thread load all that is needed: of a package that is half loaded another one could take a part."""
    with _LOADING:
        import urllib3.connection
        import urllib3.exceptions  # noqa: F401 - they import each other


class _WholeHead(HTTPResponse):
    """An answer whose head has come to its end: the standard library takes one that was cut off for a whole one."""

    def begin(self) -> None:
        """Read the head.

        Raises:
            HTTPException: the connection ended within it.
        """
        lines = self.fp = _Lines(self.fp)  # type: ignore[assignment]
        try:
            super().begin()
        finally:
            if not lines.is_closed:
                self.fp = lines.source
        if not lines.last:
            raise HTTPException("its answer was cut off within the head")


class _Lines:
    """Reads lines of a source, and remembers the last one: nothing, if the source was at its end."""

    def __init__(self, source: BufferedReader) -> None:
        self.source = source
        self.last = b""
        self.is_closed = False

    def readline(self, most: int) -> bytes:
        """Return the next line, or so much of it."""
        self.last = self.source.readline(most)
        return self.last

    def close(self) -> None:
        """Close the source, as is done when what comes is not HTTP."""
        self.is_closed = True
        self.source.close()


def reason(error: BaseException) -> str:
    """Return why a connection failed, in the words of the system where it has some."""
    if isinstance(error, BadStatusLine | UnknownProtocol) and not isinstance(error, OSError):
        return "what came is not HTTP"  # their text is what came, of any length
    inner: BaseException | None = error
    while inner is not None:
        if isinstance(inner, TimeoutError):
            return f"no answer within {CONNECT_SECONDS:g} seconds"
        words = getattr(inner, "verify_message", None) or getattr(inner, "strerror", None)
        if words:
            return str(words)
        inner = inner.__cause__ or inner.__context__
    return str(error) or type(error).__name__


def _is_trust(error: BaseException) -> bool:
    import ssl

    return isinstance(error, ssl.SSLCertVerificationError)


def _break(held: object) -> None:
    """Make whoever reads or writes on a socket go on at once; closing alone would not wake them."""
    if isinstance(held, socket.socket):
        with contextlib.suppress(OSError):
            socket.socket.shutdown(held, socket.SHUT_RDWR)  # not that of TLS, which would take its state apart


@cache
def _trust(file: str | None, folder: str | None) -> ssl.SSLContext:
    """Return the certificates that are trusted: the system's, or those that the environment names instead."""
    import ssl

    try:
        return ssl.create_default_context(cafile=file or None, capath=folder or None)
    except OSError as error:
        raise UnsupportedError(
            f"the trusted certificates in `SSL_CERT_FILE` or `SSL_CERT_DIR` cannot be read: {error.strerror or error}; "
            "mend the variable, then resume the run"
        ) from None
