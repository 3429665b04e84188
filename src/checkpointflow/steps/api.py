"""The step kind `api`: one HTTP request, its redirects followed by the rules for hosts, its answer as output."""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Mapping, Sequence
from hashlib import sha256
from queue import SimpleQueue
from typing import TYPE_CHECKING
from urllib.parse import quote, urlencode

from checkpointflow.errors import StepFailedError, StepOutputError
from checkpointflow.kernel.effects import EffectStopped, OutcomeLost, Stop
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.records import dataclass, replace
from checkpointflow.steps.answers import LARGEST_BODY, Answer, receive
from checkpointflow.steps.base import StepKind, StepSettings, output_paths
from checkpointflow.steps.exchange import Line, Request, Route, Unreached, reason
from checkpointflow.steps.hosts import Resolve, is_public, lookup, proxy_for
from checkpointflow.steps.urls import RESERVED_HEADERS, Url, parse_url, redirected
from checkpointflow.values import JsonObject, JsonValue, dump
from checkpointflow.version import __version__

if TYPE_CHECKING:
    from urllib3 import BaseHTTPResponse

SUCCESSES = (200, 201, 202, 204)
_MAX_REDIRECTS = 10
_REDIRECTS = frozenset({301, 302, 303, 307, 308})
_ABROAD = frozenset({"accept", "accept-encoding", "accept-language", "content-type", "idempotency-key", "user-agent"})
_LONGEST_KEY = 255
_NAME = re.compile(r"[!#$%&'*+.^_`|~0-9A-Za-z-]+\Z")
_VALUE = re.compile(r"[\t\x20-\x7e]*\Z")
_OPEN_HOSTS = "write the host literally in `url`, or say `allow_private_hosts: true`"


@dataclass(frozen=True, kw_only=True, slots=True)
class _Arguments:
    """The call's arguments, with defaults where they were left out."""

    method: str
    url: str
    query: JsonObject
    headers: dict[str, str]
    body: JsonValue
    status_codes: Sequence[JsonValue]
    is_dynamic: bool
    allows_private: bool


def run(
    call: StepCall, context: StepContext, stop: Stop, settings: StepSettings, *, resolve: Resolve = lookup
) -> StepResult:
    """Send the request and return what was answered; `details` has `status_code`.

    Raises:
        StepFailedError: it cannot be sent, leads to a host that is refused, or its status is no success; `details`
            has `connection` where nobody was reached, else `status_code`, `body`, `headers`, maybe `retry_after`.
        StepOutputError: the answer is larger than 8 MiB or cannot be decoded.
        OutcomeLost: the connection broke after something was sent.
        EffectStopped: it was ended by `stop`; nothing is waited for.
        UnsupportedError: the proxy or the certificates that the environment names cannot be used.
        StoreUnavailable: the output file cannot be written.
    """
    line = Line(settings.environment)
    attempt = _Attempt(_arguments(call.arguments), context, settings, line, resolve)
    return _beside(attempt.perform, line, stop, f"api {context.key}")


KIND = StepKind("api", "send an HTTP request and take the answer as output", run)


def _beside(work: Callable[[], StepResult], line: Line, stop: Stop, name: str) -> StepResult:
    """Do the work in a thread of its own, which is left alone when it has to end: no lookup of a name can be broken."""
    if stop.cause is not None:
        raise EffectStopped
    ended: SimpleQueue[StepResult | BaseException | None] = SimpleQueue()

    def act() -> None:
        try:
            ended.put(work())
        except BaseException as error:
            ended.put(error)
        finally:
            line.close()

    def end() -> None:
        ended.put(None)
        line.end()

    threading.Thread(target=act, name=name, daemon=True).start()
    stop.on_ask(end)
    result = ended.get()
    stop.forget()
    if isinstance(result, StepResult):
        return result
    raise EffectStopped if result is None else result


# -- arguments -------------------------------------------------------------------------------------


def _arguments(given: JsonValue) -> _Arguments:
    if not isinstance(given, dict):
        raise TypeError("the arguments of an `api` call are an object")
    codes = _object(given, "success").get("status_codes")
    return _Arguments(
        method=str(given.get("method") or "GET").upper(),
        url=str(given["url"]),
        query=_object(given, "query"),
        headers={name: str(value) for name, value in _object(given, "headers").items()},
        body=given.get("body"),
        status_codes=codes if isinstance(codes, list) else SUCCESSES,
        is_dynamic=given.get("dynamic_host") is True,
        allows_private=given.get("allow_private_hosts") is True,
    )


def _object(given: JsonObject, name: str) -> JsonObject:
    value = given.get(name)
    return value if isinstance(value, dict) else {}


# -- one attempt -----------------------------------------------------------------------------------


class _Attempt:
    """One try: the request, where it was led so far, and whether anything was sent yet."""

    def __init__(
        self, arguments: _Arguments, context: StepContext, settings: StepSettings, line: Line, resolve: Resolve
    ) -> None:
        self._arguments = arguments
        self._context = context
        self._settings = settings
        self._line = line
        self._resolve = resolve
        self._is_sent = False

    def perform(self) -> StepResult:
        """Send, follow, receive; see `run`."""
        response = self._followed(self._first_request())
        settings, context = self._settings, self._context
        path, _ = output_paths(settings.runs_dir, context.run_id, context.key, context.attempt)
        answer = receive(response, path, settings.hidden, sync=settings.sync)
        answer.refuse_failure(self._arguments.status_codes, context.key)
        self._refuse_unread(answer, str(path))
        return StepResult(answer.output(), {"status_code": answer.status})

    def _refuse_unread(self, answer: Answer, path: str) -> None:
        details: JsonObject = {"status_code": answer.status}
        if answer.ending == "broken":
            raise OutcomeLost(f"the answer to step `{self._context.key}` broke off after the status {answer.title}")
        if answer.ending == "too_long":
            fact = f"was answered more than {LARGEST_BODY // 1024**2} MiB; the beginning is in `{path}`: ask for less"
            raise StepOutputError(f"step `{self._context.key}` {fact}", details=details, step_key=self._context.key)
        if answer.ending == "undecodable":
            coding = answer.headers.get("content-encoding", "")[:40]
            fact = f"was answered in the encoding {coding!r}, which cannot be read; `gzip` and `deflate` can"
            raise StepOutputError(f"step `{self._context.key}` {fact}", details=details, step_key=self._context.key)

    # -- the request ---------------------------------------------------------------------------------

    def _first_request(self) -> Request:
        arguments = self._arguments
        try:
            url = parse_url(arguments.url).with_query(urlencode(arguments.query, doseq=True, quote_via=quote))
        except UnicodeEncodeError:
            raise self._failure(
                "has half of a surrogate pair in its `query`, which is no text; mend the value"
            ) from None
        except ValueError as error:
            raise self._failure(f"has a `url` that cannot be used: {error}") from None
        body, content_type = self._body()
        return Request(method=arguments.method, url=url, headers=self._headers(content_type), body=body)

    def _body(self) -> tuple[bytes | None, str | None]:
        body = self._arguments.body
        if body is None:
            return None, None
        try:
            if isinstance(body, str):
                return body.encode(), "text/plain; charset=utf-8"
            return dump(body).encode(), "application/json"
        except UnicodeEncodeError:
            raise self._failure("has half of a surrogate pair in its `body`; mend the value") from None

    def _headers(self, content_type: str | None) -> Mapping[str, str]:
        ours = {
            "User-Agent": f"checkpointflow/{__version__}",
            "Accept": "application/json, */*;q=0.9",
            "Accept-Encoding": "gzip, deflate",
            "Idempotency-Key": _sendable_key(self._context),
        }
        if content_type is not None:
            ours["Content-Type"] = content_type
        given = {name: self._checked(name, value) for name, value in self._arguments.headers.items()}
        known = {name.lower() for name in given}
        return {name: value for name, value in ours.items() if name.lower() not in known} | given

    def _checked(self, name: str, value: str) -> str:
        if not _NAME.match(name) or name.lower() in RESERVED_HEADERS:
            raise self._failure(f"cannot set the header {name[:80]!r}; remove it")
        if not _VALUE.match(value):
            fact = f"has a line break, a control character or one beyond ASCII in the header `{name}`; encode the value"
            raise self._failure(fact)
        return value.strip()

    # -- the way -------------------------------------------------------------------------------------

    def _followed(self, request: Request) -> BaseHTTPResponse:
        """Send a request and whatever redirects make of it; return the answer that is none."""
        is_dynamic = self._arguments.is_dynamic
        for _ in range(_MAX_REDIRECTS + 1):
            response = self._send(request, self._route(request.url, is_dynamic=is_dynamic))
            following = self._redirect(request, response)
            if following is None:
                return response
            is_dynamic = is_dynamic or following.url.host != request.url.host
            request = following
        raise self._failure(f"was redirected more than {_MAX_REDIRECTS} times; mend its `url`")

    def _send(self, request: Request, route: Route) -> BaseHTTPResponse:
        try:
            response = self._line.send(request, route)
        except Unreached as error:
            raise self._unreached(request.url, str(error), is_trust=error.is_trust) from None
        self._is_sent = True
        return response

    def _redirect(self, request: Request, response: BaseHTTPResponse) -> Request | None:
        location = response.headers.get("location")
        if response.status not in _REDIRECTS or not location or response.status in self._arguments.status_codes:
            return None
        try:
            url = redirected(request.url, location)
        except ValueError as error:
            details: JsonObject = {
                "status_code": response.status,
                "headers": {"location": self._settings.hidden.text(location)[:500]},
            }
            raise self._failure(f"was redirected to what cannot be used: {error}", details) from None
        return self._at(_changed(request, response.status), url)

    def _at(self, request: Request, url: Url) -> Request:
        """Return a request at another address; another origin gets nothing that may be a key or holds a secret."""
        if url.origin == request.url.origin:
            return replace(request, url=url)
        hidden = self._settings.hidden
        if request.body is not None and hidden.shows_in(request.body.decode()):
            raise self._failure(f"was redirected to {url.origin}, which is not to get the secrets in its `body`")
        headers = {
            name: value
            for name, value in request.headers.items()
            if name.lower() in _ABROAD and not hidden.shows_in(value)
        }
        return replace(request, url=url, headers=headers)

    def _route(self, url: Url, *, is_dynamic: bool) -> Route:
        """Return where to connect to; the addresses that were checked are those that are used."""
        is_checked = is_dynamic and not self._arguments.allows_private
        proxy = proxy_for(url, self._settings.environment)
        if proxy is not None:
            if is_checked:
                fact = f"would reach `{url.host}`, {_how(self._is_sent)}, through a proxy, which looks up names itself"
                raise self._failure(f"{fact}, so that private addresses cannot be refused; {_OPEN_HOSTS}")
            return Route(addresses=self._addresses(url, proxy.host, proxy.port), port=proxy.port, proxy=proxy)
        addresses = self._addresses(url, url.host, url.port)
        refused = [address for address in addresses if not is_public(address)]
        if is_checked and refused:
            raise self._failure(
                f"would reach `{url.host}`, {_how(self._is_sent)}, at {refused[0]}, which is no public address; "
                f"{_OPEN_HOSTS}",
                {"host": url.host, "address": refused[0]},
            )
        return Route(addresses=addresses, port=url.port)

    def _addresses(self, url: Url, host: str, port: int) -> Sequence[str]:
        try:
            return self._resolve(host, port)
        except OSError as error:
            raise self._unreached(url, f"the name `{host}` leads nowhere: {reason(error)}") from None

    def _unreached(self, url: Url, why: str, *, is_trust: bool = False) -> Exception:
        """Nobody was reached: a failure to retry, or an outcome that is lost if a request before was answered."""
        if self._is_sent:
            return OutcomeLost(
                f"step `{self._context.key}` was redirected to {url.origin}, which is not reached: {why}"
            )
        if is_trust:
            return self._failure(f"does not trust the certificate of {url.origin}: {why}")
        return self._failure(f"does not reach {url.origin}: {why}", {"connection": True})

    def _failure(self, fact: str, details: JsonObject | None = None) -> StepFailedError:
        key = self._context.key
        return StepFailedError(f"step `{key}` {fact}", details=details, step_key=key)


def _how(is_sent: bool) -> str:
    return "to which a redirect leads" if is_sent else "which comes from an expression"


def _changed(request: Request, status: int) -> Request:
    """Return what a redirect makes of a request: 303, and 301 and 302 of a POST, turn it into a GET without a body."""
    keeps = status in (307, 308) or request.method == "HEAD" or (status != 303 and request.method != "POST")
    if keeps:
        return request
    headers = {name: value for name, value in request.headers.items() if not name.lower().startswith("content-")}
    return replace(request, method="GET", headers=headers, body=None)


def _sendable_key(context: StepContext) -> str:
    """Return the idempotency key as a header can carry it: ASCII, and not longer than servers take."""
    key = quote(context.idempotency_key, safe="/[]#\"!$&'()*+,:;=@~", errors="surrogatepass")
    return key if len(key) <= _LONGEST_KEY else f"{context.run_id}/{sha256(key.encode()).hexdigest()}"
