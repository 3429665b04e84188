"""The step kind `api`: what is sent, whom it may reach, and what becomes of the answer."""

import gzip
import json
import os
import socket
import subprocess
import sys
import threading
import tracemalloc
import zlib
from collections.abc import Callable
from dataclasses import replace

import pytest

from checkpointflow import __version__
from checkpointflow.errors import StepFailedError, StepOutputError, StoreUnavailable, UnsupportedError
from checkpointflow.kernel.effects import EffectStopped, OutcomeLost, Stop
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.steps import KINDS, api, make_perform
from checkpointflow.steps.base import StepSettings, output_paths
from checkpointflow.steps.hosts import is_public, lookup, proxy_for
from checkpointflow.steps.urls import parse_url, redirected
from local_server import CERTIFICATE, PATIENCE, LocalServer, Reply, local_server

RUN = RunId("01JZXY")
KEY = StepKey("notify[2]/send")


@pytest.fixture
def server():
    with local_server() as one:
        yield one


@pytest.fixture
def settings(tmp_path):
    return StepSettings(runs_dir=tmp_path / "home" / "runs", sync=False, environment={})


@pytest.fixture
def context(tmp_path):
    return StepContext(run_id=RUN, key=KEY, attempt=2, idempotency_key=f"{RUN}/{KEY}/1", cwd=str(tmp_path))


@pytest.fixture
def perform(settings, context):
    def run(url, *, stop=None, resolve=lookup, outputs=None, **arguments) -> StepResult:
        call = StepCall(kind="api", arguments={"url": url, **arguments}, outputs=outputs)
        return api.run(call, context, stop or Stop(), settings, resolve=resolve)

    return run


@pytest.fixture
def stdout(settings):
    return output_paths(settings.runs_dir, RUN, KEY, 2)[0]


def failure(perform, *args, error=StepFailedError, **kwargs):
    with pytest.raises(error) as caught:
        perform(*args, **kwargs)
    assert type(caught.value) is error
    if isinstance(caught.value, StepFailedError):
        assert caught.value.step_key == KEY
        assert KEY in caught.value.message
    return caught.value


def of_names(**names: str) -> Callable[[str, int], list[str]]:
    """Return a resolver that knows these names alone, and refuses to be asked for one twice."""
    left = dict(names)

    def resolve(host: str, port: int) -> list[str]:
        return left.pop(host.partition(".")[0]).split()

    return resolve


def as_json(value, status=200, **headers) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode(), headers={"Content-Type": "application/json"} | headers)


# -- what is sent ----------------------------------------------------------------------------------


def test_a_request_is_sent_as_the_call_says(server, perform):
    server.answers["/pages"] = as_json({"id": 7}, status=201)
    result = perform(
        f"{server.url}/pages?draft=1",
        method="POST",
        query={"tag": ["a b", "c&d"], "n": "1/2"},
        headers={"X-Team": "docs", "Authorization": "Bearer t"},
        body={"title": "ü", "n": [1, None]},
    )
    assert result == StepResult({"id": 7}, {"status_code": 201})
    (seen,) = server.seen
    assert (seen.method, seen.path) == ("POST", "/pages?draft=1&tag=a%20b&tag=c%26d&n=1%2F2")
    assert json.loads(seen.body) == {"title": "ü", "n": [1, None]}
    assert seen.headers["content-type"] == "application/json"
    assert seen.headers["host"] == f"127.0.0.1:{server.port}"
    assert (seen.headers["x-team"], seen.headers["authorization"]) == ("docs", "Bearer t")
    assert seen.headers["user-agent"] == f"checkpointflow/{__version__}"
    assert seen.headers["idempotency-key"] == f"{RUN}/{KEY}/1"


def test_headers_of_the_author_win_in_any_spelling(server, perform):
    server.answers["/"] = as_json({})
    headers = {"idempotency-key": "mine", "USER-AGENT": "me", "content-type": "application/vnd.x+json", "accept": "a/b"}
    perform(server.url, method="PUT", headers=headers, body=[1])
    (seen,) = server.seen
    assert seen.headers.items() >= headers.items() - {("USER-AGENT", "me")}
    assert seen.headers["user-agent"] == "me"


def test_a_body_of_text_is_sent_as_it_is_and_no_body_as_none(server, perform):
    server.answers["/"] = as_json({})
    perform(server.url, method="POST", body="a=ü")
    perform(server.url, method="POST", body=None)
    perform(server.url)
    first, second, third = server.seen
    assert (first.body.decode(), first.headers["content-type"]) == ("a=ü", "text/plain; charset=utf-8")
    assert (second.body, second.headers["content-length"]) == (b"", "0")
    assert "content-type" not in second.headers
    assert (third.method, "content-length" in third.headers) == ("GET", False)


@pytest.mark.parametrize("value", ["a\r\nX-Evil: 1", "a\nb", "a\rb", "a\0b", "é", "\x7f"])
def test_header_values_that_could_become_syntax_are_refused(server, perform, value):
    error = failure(perform, server.url, headers={"X-Note": value})
    assert "`X-Note`" in error.message
    assert value not in error.message
    assert server.seen == []


@pytest.mark.parametrize(
    "name", ["Host", "content-length", "Transfer-Encoding", "Connection", "a b", "a:b", "a\r\nb", ""]
)
def test_headers_that_frame_the_request_cannot_be_set(server, perform, name):
    assert "header" in failure(perform, server.url, headers={name: "x"}).message
    assert server.seen == []


@pytest.mark.parametrize("key", ["ü/schritt/1", "n" * 300])
def test_any_idempotency_key_fits_a_header_and_stays_the_same(server, settings, context, key):
    server.answers["/"] = as_json({})
    call = StepCall(kind="api", arguments={"url": server.url})
    for attempt in (1, 2):
        api.run(call, replace(context, idempotency_key=key, attempt=attempt), Stop(), settings)
    first, second = (seen.headers["idempotency-key"] for seen in server.seen)
    assert first == second
    assert first.isascii()
    assert len(first) <= 255


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("ftp://x/", "http"),
        ("x", "http"),
        ("https://a@b/", "`Authorization`"),
        ("https://ü.test/", "xn--"),
        ("https://x:0/", "ports"),
        ("https://x:65536/", "ports"),
        ("https:///p", "host"),
        ("http://a b/", "host"),
        ("http://a\\@b/", "host"),
        ("http://[::1/", "host"),
        ("http://[fe80::1%25eth0]/", "host"),
        ("http://x/\ud800", "surrogate"),
    ],
)
def test_what_is_no_address_is_refused(perform, url, why):
    assert why in failure(perform, url).message


def test_addresses_are_taken_apart_one_way():
    assert str(parse_url(" HTTPS://Example.COM:443?a=b c#d ")) == "https://example.com/?a=b%20c"
    assert str(parse_url("http://[::1]:8080/a/../ü%20\n")) == "http://[::1]:8080/a/../%C3%BC%20"
    assert parse_url("http://[::1]:8080").host == "::1"
    assert str(redirected(parse_url("http://x/a/b?c"), "../d#e")) == "http://x/d"
    assert str(redirected(parse_url("https://x/a"), "//y:8/z")) == "https://y:8/z"
    with pytest.raises(ValueError, match="http"):
        redirected(parse_url("https://x/a"), "file:///etc/passwd")


# -- what becomes of the answer --------------------------------------------------------------------


@pytest.mark.parametrize(
    ("reply", "output"),
    [
        (as_json({"a": 1}), {"a": 1}),
        (Reply(body=b' {"a": 1}\n', headers={"Content-Type": "text/plain"}), {"a": 1}),
        (Reply(body=b'\xef\xbb\xbf{"a": 1}'), {"a": 1}),
        (as_json([1, 2]), {"body": [1, 2]}),
        (as_json(None), {"body": None}),
        (Reply(body=b"[1]", headers={"Content-Type": "application/problem+json; charset=utf-8"}), {"body": [1]}),
        (Reply(body=b"[1]", headers={"Content-Type": "text/plain"}), {"body": "[1]"}),
        (Reply(body=b'{"a": NaN}', headers={"Content-Type": "application/json"}), {"body": '{"a": NaN}'}),
        (Reply(body=b'{"a": "\\ud800"}', headers={"Content-Type": "application/json"}), {"body": '{"a": "\\ud800"}'}),
        (Reply(body=b"{" * 100_000, headers={"Content-Type": "application/json"}), {"body": "{" * 100_000}),
        (Reply(body=b"\xe4", headers={"Content-Type": "text/html; charset=ISO-8859-1"}), {"body": "ä"}),
        (Reply(body='{"a":"ä"}'.encode("utf-16"), headers={"Content-Type": 'x/y;charset="utf-16"'}), {"a": "ä"}),
        (Reply(body=b"a\xe4", headers={"Content-Type": "text/plain; charset=no-such"}), {"body": "a\ufffd"}),
        (Reply(body=b"a\xe4", headers={"Content-Type": "text/plain; charset=base64"}), {"body": "a\ufffd"}),
        (Reply(body=b"a+2AA-", headers={"Content-Type": "text/plain; charset=utf-7"}), {"body": "a?"}),
        (Reply(status=204), {"body": ""}),
    ],
)
def test_a_json_object_is_the_output_and_anything_else_the_body(server, perform, reply, output):
    server.answers["/"] = reply
    assert perform(server.url) == StepResult(output, {"status_code": reply.status})


@pytest.mark.parametrize(
    ("encoding", "data"),
    [
        ("gzip", gzip.compress(b'{"a": 1}')),
        ("x-gzip", gzip.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}')),
        ("deflate", zlib.compress(b'{"a": 1}')[2:-4]),
        ("gzip, deflate", zlib.compress(gzip.compress(b'{"a": 1}'))),
        ("identity, GZIP", gzip.compress(b'{"a":') + gzip.compress(b" 1}") + bytes(20)),
    ],
    ids=["gzip", "x-gzip", "deflate", "deflate without a head", "twice", "several parts and filling"],
)
def test_compressed_answers_are_decoded(server, perform, stdout, encoding, data):
    server.answers["/"] = Reply(body=data, headers={"Content-Encoding": encoding})
    assert perform(server.url).output == {"a": 1}
    assert stdout.read_bytes() == b'{"a": 1}'
    assert server.seen[0].headers["accept-encoding"] == "gzip, deflate"


@pytest.mark.parametrize(
    ("encoding", "data"), [("br", b"\x0b\x02\x80{}\x03"), ("gzip", b"no gzip"), ("gzip,gzip,gzip,gzip,gzip,gzip", b"")]
)
def test_an_answer_that_cannot_be_decoded_fails_the_step(server, perform, encoding, data):
    server.answers["/"] = Reply(body=data, headers={"Content-Encoding": encoding})
    error = failure(perform, server.url, error=StepOutputError)
    assert encoding in error.message
    assert error.details == {"status_code": 200}


def test_an_answer_in_chunks_is_put_together(server, perform):
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    server.answers["/"] = Reply(raw=head + b'5\r\n{"a":\r\n3\r\n 1}\r\n0\r\n\r\n')
    assert perform(server.url).output == {"a": 1}


def test_the_body_is_in_a_file_that_only_its_owner_can_read(server, perform, stdout, settings):
    server.answers["/"] = Reply(body=b"hello")
    perform(server.url)
    assert stdout.read_text() == "hello"
    assert stdout.stat().st_mode & 0o777 == 0o600
    assert settings.runs_dir.stat().st_mode & 0o777 == 0o700


def test_an_answer_may_have_8_mib_and_no_more(server, perform, stdout):
    server.answers["/"] = Reply(body=b"x" * 8388608)
    assert len(perform(server.url).output["body"]) == 8388608
    server.answers["/"] = Reply(body=b"x" * 8388609)
    error = failure(perform, server.url, error=StepOutputError)
    assert "8 MiB" in error.message
    assert str(stdout) in error.message
    assert stdout.stat().st_size == 8388608


def test_a_small_answer_that_unpacks_to_much_is_bounded_too(server, perform, stdout):
    server.answers["/"] = Reply(body=gzip.compress(bytes(200_000_000)), headers={"Content-Encoding": "gzip"})
    failure(perform, server.url, error=StepOutputError)
    assert stdout.stat().st_size == 8388608


@pytest.mark.parametrize("packed", ["gzip", "gzip, gzip", "gzip, gzip, gzip"])
def test_what_unpacks_to_a_gigabyte_takes_no_such_memory(server, perform, packed):
    body = gzip.compress(bytes(1 << 20)) * 1024
    for _ in packed.split(",")[1:]:
        body = gzip.compress(body)
    server.answers["/"] = Reply(body=body, headers={"Content-Encoding": packed})
    tracemalloc.start()
    failure(perform, server.url, error=StepOutputError)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 64 << 20


@pytest.mark.parametrize("charset", ["punycode", "idna", "unicode_escape", "rot13", "zlib", "no-such"])
def test_what_is_no_charset_is_read_as_utf_8(server, perform, charset):
    headers = {"Content-Type": f"text/plain; charset={charset}"}
    server.answers["/"] = Reply(body=b"\\u0041 \xc3\xbc-" + b"z" * 3_000_000, headers=headers)
    assert perform(server.url).output["body"].startswith("\\u0041 ü-z")


def test_an_answer_without_end_is_cut_off(server, perform):
    server.answers["/"] = Reply(raw=b"HTTP/1.1 200 OK\r\n\r\n" + b"x" * 8388609, holds=True)
    failure(perform, server.url, error=StepOutputError)
    assert server.client_gone.wait(PATIENCE)


def test_output_reaches_the_disk_when_asked(server, perform, settings, context, stdout, monkeypatch):
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    server.answers["/"] = as_json({})
    call = StepCall(kind="api", arguments={"url": server.url})
    api.run(call, context, Stop(), replace(settings, sync=True))
    assert synced == {path.stat().st_ino for path in (stdout, *stdout.parents[:4])}


def test_a_file_that_cannot_be_made_is_no_fault_of_the_step(server, perform, settings):
    server.answers["/"] = as_json({})
    settings.runs_dir.parent.write_text("in the way")
    failure(perform, server.url, error=StoreUnavailable)


def test_the_outputs_schema_holds(server, settings, context):
    server.answers["/"] = as_json({"a": "one"})
    schema = {"type": "object", "properties": {"a": {"type": "integer"}}}
    call = StepCall(kind="api", arguments={"url": server.url}, outputs=schema)
    with pytest.raises(StepOutputError, match=r"`outputs\.a`") as caught:
        make_perform(settings)(call, context, Stop())
    assert caught.value.details["status_code"] == 200


# -- statuses --------------------------------------------------------------------------------------


def test_a_status_that_is_no_success_fails_the_step_showing_what_came(server, perform, stdout):
    headers = {"X-Request-Id": "r1", "Retry-After": "7", "X-Other": "no", "Content-Type": "text/plain"}
    server.answers["/"] = Reply(status=503, body=b"down" * 5000, headers=headers)
    error = failure(perform, server.url)
    assert error.message == f"step `{KEY}` was answered 503 (Service Unavailable), which is no success here"
    shown = {"content-type": "text/plain", "retry-after": "7", "x-request-id": "r1"}
    body = ("down" * 5000)[:2000]
    assert error.details == {"status_code": 503, "body": body, "headers": shown, "retry_after": 7}
    assert stdout.read_bytes() == b"down" * 5000


@pytest.mark.parametrize(
    ("header", "retry_after"),
    [
        ("120", 120),
        ("Wed, 21 Oct 2015 07:28:00 GMT", "2015-10-21T07:28:00.000000Z"),
        ("Wed, 21 Oct 2015 09:28:00 +0200", "2015-10-21T07:28:00.000000Z"),
        ("soon", None),
        ("-1", None),
        ("1.5", None),
        ("99999999999", None),
        ("", None),
    ],
)
def test_retry_after_is_seconds_or_an_instant(server, perform, header, retry_after):
    server.answers["/"] = Reply(status=429, headers={"Retry-After": header})
    assert failure(perform, server.url).details.get("retry_after") == retry_after


def test_other_statuses_can_be_successes(server, perform):
    server.answers["/"] = as_json({"gone": True}, status=404)
    assert perform(server.url, success={"status_codes": [404]}).details == {"status_code": 404}
    server.answers["/"] = as_json({})
    assert failure(perform, server.url, success={"status_codes": [404]}).details["status_code"] == 200


def test_an_odd_status_is_shown_as_a_number(server, perform):
    server.answers["/"] = Reply(raw=b"HTTP/1.1 599 \r\nContent-Length: 0\r\n\r\n")
    assert "answered 599," in failure(perform, server.url).message


def test_the_answer_to_head_is_its_status(server, perform):
    server.answers["/"] = Reply(headers={"Content-Length": "100"})
    assert perform(server.url, method="HEAD") == StepResult({"body": ""}, {"status_code": 200})


# -- connections -----------------------------------------------------------------------------------


def test_nobody_there_is_a_failure_before_anything_was_sent(perform):
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    error = failure(perform, f"http://127.0.0.1:{port}/secret/path?q=1")
    assert error.details == {"connection": True}
    assert f"http://127.0.0.1:{port}" in error.message
    assert "refused" in error.message
    assert "secret" not in error.message


@pytest.mark.parametrize("host", ["no-such-host.invalid", "a..b", "x" * 64 + ".test"])
def test_a_name_that_leads_nowhere_is_a_failure_before_anything_was_sent(perform, host):
    error = failure(perform, f"http://{host}/")
    assert error.details == {"connection": True}
    assert host in error.message


def test_the_next_address_is_tried_when_one_does_not_answer(server, perform):
    server.answers["/"] = as_json({"ok": True})
    resolve = of_names(two="127.0.0.9 127.0.0.1")
    assert perform(f"http://two.test:{server.port}/", resolve=resolve).output == {"ok": True}


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b""),
        Reply(raw=b"", resets=True),
        Reply(raw=b"this is no HTTP\r\n\r\n"),
        Reply(raw=b"HTTP/1.1 200 OK"),
        Reply(raw=b"HTTP/1.1 200 OK\r\n"),
        Reply(raw=b"HTTP/1.1 204 No Content\r\nContent-Le"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nX-Name: a\r\n", resets=True),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", resets=True),
        Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nabc"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nzz\r\nabc"),
        Reply(raw=b"HTTP/1.1 200 OK\r\n" + b"".join(b"X-%d: a\r\n" % n for n in range(200)) + b"\r\n"),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\n\r\n" + gzip.compress(b"abc")[:-1]),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Encoding: deflate\r\n\r\n" + zlib.compress(b"abc" * 99)[2:-9]),
        Reply(raw=b"HTTP/1.1 103 Early\r\nLink: x\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"),
    ],
    ids=[
        *(
            "closed",
            "reset",
            "garbage",
            "no line",
            "no head",
            "short head",
            "reset head",
            "short",
            "short reset",
            "short chunk",
            "bad chunk",
            "too many",
        ),
        *("short gzip", "short deflate", "not final"),
    ],
)
def test_an_answer_that_breaks_off_is_an_outcome_that_nobody_saw(server, perform, reply):
    server.answers["/"] = reply
    with pytest.raises(OutcomeLost):
        perform(server.url, method="POST", body={"a": 1})
    assert len(server.seen) == 1


@pytest.mark.parametrize("line", [b"this is no HTTP ", b"HTTP/9.", b"HTTP/1.1 abc "])
def test_what_is_no_http_is_not_repeated(server, perform, line):
    server.answers["/"] = Reply(raw=line + b"x" * 60_000 + b"\r\n\r\n")
    with pytest.raises(OutcomeLost) as caught:
        perform(server.url)
    assert str(caught.value).endswith("did not answer: what came is not HTTP")


def test_a_failing_status_counts_even_when_its_body_breaks_off(server, perform):
    server.answers["/"] = Reply(raw=b"HTTP/1.1 500 Oh\r\nContent-Length: 10\r\n\r\nabc")
    assert failure(perform, server.url).details["body"] == "abc"


def test_an_answer_that_comes_before_all_of_the_body_was_read_counts(perform):
    with socket.create_server(("127.0.0.1", 0)) as listener:
        threading.Thread(target=_refuse_early, args=(listener,), daemon=True).start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/"
        with pytest.raises((StepFailedError, OutcomeLost)) as caught:
            perform(url, method="POST", body="x" * 50_000_000)
    if isinstance(caught.value, StepFailedError):  # else the reset overtook the answer, which TCP allows
        assert caught.value.details["status_code"] == 413


def _refuse_early(listener: socket.socket) -> None:
    connection, _ = listener.accept()
    with connection:
        connection.recv(1000)
        connection.sendall(b"HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n")
        connection.shutdown(socket.SHUT_WR)
        while connection.recv(1 << 20):
            pass


# -- endings ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "reply",
    [
        Reply(raw=b"", holds=True),
        Reply(raw=b"HTTP/1.0 200 OK\r\n\r\nabc", holds=True),
        Reply(raw=b"HTTP/1.1 200 OK\r\nContent-Length: 10\r\n\r\nabc", holds=True),
    ],
    ids=["no answer", "no end of the body, old", "no end of the body"],
)
def test_a_stop_breaks_the_connection_at_once(server, perform, reply):
    server.answers["/"] = reply
    stop = Stop()
    threading.Thread(target=lambda: server.arrived.wait(PATIENCE) and stop.ask("timeout"), daemon=True).start()
    with pytest.raises(EffectStopped):
        perform(server.url, stop=stop)
    assert server.client_gone.wait(PATIENCE)


def test_a_stop_does_not_wait_for_a_lookup_and_nothing_is_sent_after_it(server, perform):
    stop, asked, goes_on, went_on = Stop(), threading.Event(), threading.Event(), threading.Event()

    def resolve(host: str, port: int) -> list[str]:
        asked.set()
        goes_on.wait(PATIENCE)
        went_on.set()
        return ["127.0.0.1"]

    threading.Thread(target=lambda: asked.wait(PATIENCE) and stop.ask("stopped"), daemon=True).start()
    with pytest.raises(EffectStopped):
        perform(f"http://slow.test:{server.port}/", stop=stop, resolve=resolve)
    before = set(threading.enumerate())
    goes_on.set()
    assert went_on.wait(PATIENCE)
    for thread in before - {threading.current_thread()}:
        if thread.name == f"api {KEY}":
            thread.join(PATIENCE)
    assert server.seen == []


def test_an_effect_that_was_asked_to_end_before_it_began_does_not_begin(server, perform):
    stop = Stop()
    stop.ask("stopped")
    with pytest.raises(EffectStopped):
        perform(server.url, stop=stop)
    assert server.seen == []


# -- redirects -------------------------------------------------------------------------------------


def to(location: str, status: int = 302) -> Reply:
    return Reply(status=status, headers={"Location": location})


@pytest.mark.parametrize(
    ("status", "method", "becomes", "keeps_body"),
    [
        (301, "POST", "GET", False),
        (302, "POST", "GET", False),
        (303, "POST", "GET", False),
        (303, "PUT", "GET", False),
        (302, "PUT", "PUT", True),
        (301, "DELETE", "DELETE", True),
        (307, "POST", "POST", True),
        (308, "PATCH", "PATCH", True),
        (303, "HEAD", "HEAD", True),
    ],
)
def test_a_redirect_keeps_or_changes_the_method_as_its_status_says(
    server, perform, status, method, becomes, keeps_body
):
    server.answers |= {"/a": to("/b?c=d", status), "/b": as_json({"ok": True})}
    perform(f"{server.url}/a", method=method, body={"x": 1}, headers={"Authorization": "t", "Content-Language": "de"})
    first, second = server.seen
    assert (second.method, second.path) == (becomes, "/b?c=d")
    assert (second.body == first.body) is keeps_body
    assert ("content-type" in second.headers) is ("content-language" in second.headers) is keeps_body
    assert second.headers["authorization"] == "t"
    assert second.headers["idempotency-key"] == first.headers["idempotency-key"]


def test_another_origin_gets_none_of_the_headers_that_may_hold_keys(server, perform):
    with local_server({"/": as_json({})}) as other:
        server.answers["/"] = to(other.url, 307)
        headers = {"Authorization": "t", "Cookie": "c", "X-Api-Key": "k", "Accept": "a/b"}
        perform(server.url, method="POST", headers=headers, body=[1])
        (seen,) = other.seen
    assert not {"authorization", "cookie", "x-api-key"} & seen.headers.keys()
    assert (seen.headers["accept"], seen.headers["content-type"], seen.body) == ("a/b", "application/json", b"[1]")


def test_ten_redirects_are_followed_and_no_more(server, perform):
    server.answers |= {f"/{n}": to(f"/{n + 1}") for n in range(10)} | {"/10": as_json({"ok": True})}
    assert perform(f"{server.url}/0").output == {"ok": True}
    server.answers["/10"] = to("/0")
    assert "more than 10 times" in failure(perform, f"{server.url}/0").message


def test_a_redirect_that_counts_as_success_is_not_followed(server, perform):
    server.answers["/"] = to("/elsewhere")
    assert perform(server.url, success={"status_codes": [302]}).details == {"status_code": 302}


@pytest.mark.parametrize("location", ["ftp://x/", "http://a@b/", "http://ü/", "javascript:alert(1)"])
def test_a_redirect_to_what_is_no_address_fails_the_step(server, perform, location):
    server.answers["/"] = to(location.encode().decode("latin-1"))
    assert failure(perform, server.url).details["status_code"] == 302


def test_a_redirect_without_a_location_is_an_answer(server, perform):
    server.answers["/"] = Reply(status=302)
    assert "302 (Found)" in failure(perform, server.url).message


def test_what_is_not_reached_after_a_request_was_sent_is_an_outcome_that_nobody_saw(server, perform):
    server.answers["/"] = to("http://127.0.0.1:1/", 303)
    with pytest.raises(OutcomeLost, match="redirected"):
        perform(server.url, method="POST")


# -- rules for hosts -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "address",
    [
        *("127.0.0.1", "127.8.9.10", "10.0.0.1", "172.16.0.1", "172.31.255.255", "192.168.1.1", "169.254.169.254"),
        *("0.0.0.0", "0.1.2.3", "100.64.0.1", "192.0.0.8", "198.18.0.1", "192.0.2.1", "203.0.113.9"),
        *("224.0.0.1", "239.255.255.250", "240.0.0.1", "255.255.255.255"),
        *("::", "::1", "fe80::1", "fe80::1%eth0", "fc00::1", "fd12::1", "ff02::1", "fec0::1", "2001:db8::1"),
        *("::ffff:127.0.0.1", "::ffff:10.0.0.1", "::127.0.0.1", "64:ff9b::7f00:1", "64:ff9b:1::1", "2002:7f00:1::"),
        *("2001:0:7f00:1::", "100::1", "no address", ""),
    ],
)
def test_addresses_that_are_not_of_the_internet_at_large_are_known(address):
    assert not is_public(address)


@pytest.mark.parametrize(
    "address", ["1.1.1.1", "93.184.216.34", "2606:4700::1111", "::ffff:1.1.1.1", "64:ff9b::101:101"]
)
def test_public_addresses_are_known(address):
    assert is_public(address)


SPELLINGS = ["127.0.0.1", "localhost", "2130706433", "0x7f000001", "0x7f.1", "0177.0.0.1", "127.1", "0", "LOCALHOST"]


@pytest.mark.parametrize("host", [*SPELLINGS, "[::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]", "[::]"])
def test_a_host_from_an_expression_with_a_private_address_is_refused_in_every_spelling(server, perform, host):
    error = failure(perform, f"http://{host}:{server.port}/", dynamic_host=True)
    assert "no public address" in error.message
    assert "`allow_private_hosts: true`" in error.message
    assert server.seen == []


@pytest.mark.parametrize("host", SPELLINGS)
def test_a_host_that_is_written_out_is_the_authors_choice(server, perform, host):
    server.answers["/"] = as_json({"ok": True})
    assert perform(f"http://{host}:{server.port}/").output == {"ok": True}


def test_private_hosts_can_be_allowed(server, perform):
    server.answers |= {"/": to(f"http://localhost:{server.port}/b"), "/b": as_json({"ok": True})}
    assert perform(server.url, dynamic_host=True, allow_private_hosts=True).output == {"ok": True}


@pytest.mark.parametrize("host", ["localhost", "2130706433", "[::ffff:7f00:1]", "metadata.test"])
def test_a_redirect_from_a_written_host_to_a_private_one_is_refused(server, perform, host):
    with local_server({"/": as_json({})}) as inner:
        server.answers["/"] = to(f"http://{host}:{inner.port}/")

        def resolve(name: str, port: int) -> object:
            return ["169.254.169.254"] if name == "metadata.test" else lookup(name, port)

        error = failure(perform, server.url, resolve=resolve)
        assert "to which a redirect leads" in error.message
        assert inner.seen == []


def test_a_redirect_on_the_written_host_itself_is_followed(server, perform):
    with local_server({"/": as_json({"ok": True})}) as other:
        server.answers["/"] = to(other.url)
        assert perform(server.url).output == {"ok": True}


def test_there_is_no_way_back_to_a_private_host_once_a_redirect_left_it(perform, server):
    server.answers |= {"/a": to(f"http://other.test:{server.port}/b"), "/b": to(f"http://first.test:{server.port}/c")}
    asked: list[str] = []

    def resolve(name: str, port: int) -> list[str]:
        asked.append(name)
        return ["127.0.0.1"]

    failure(perform, f"http://first.test:{server.port}/a", resolve=resolve)
    assert asked == ["first.test", "other.test"]
    assert [seen.path for seen in server.seen] == ["/a"]


def test_the_address_that_was_checked_is_the_one_that_is_used(server, perform, monkeypatch):
    server.answers["/"] = as_json({"ok": True})
    numbers = socket.getaddrinfo

    def only_numbers(host, *args, **kwargs):
        assert host in ("127.0.0.1", b"127.0.0.1"), "a name was looked up behind the check"
        return numbers(host, *args, **kwargs)

    monkeypatch.setattr(socket, "getaddrinfo", only_numbers)
    perform(f"http://rebound.test:{server.port}/", resolve=of_names(rebound="127.0.0.1"))
    assert server.seen[0].headers["host"] == f"rebound.test:{server.port}"


def test_one_private_address_among_public_ones_is_enough_to_refuse(server, perform):
    resolve = of_names(mixed="93.184.216.34 127.0.0.1")
    error = failure(perform, f"http://mixed.test:{server.port}/", dynamic_host=True, resolve=resolve)
    assert error.details == {"host": "mixed.test", "address": "127.0.0.1"}
    assert server.seen == []


# -- TLS -------------------------------------------------------------------------------------------


@pytest.fixture
def secure():
    with local_server({"/": as_json({"ok": True})}, tls=True) as one:
        yield one


def trusting(settings: StepSettings) -> StepSettings:
    return replace(settings, environment={"SSL_CERT_FILE": str(CERTIFICATE)})


def test_a_certificate_that_nobody_vouches_for_is_refused(secure: LocalServer, perform):
    error = failure(perform, f"https://localhost:{secure.port}/")
    assert "certificate" in error.message
    assert error.details == {}
    assert secure.seen == []


def test_trusted_certificates_can_be_named_and_the_name_has_to_fit(secure: LocalServer, settings, context):
    call = StepCall(kind="api", arguments={"url": f"https://localhost:{secure.port}/"})
    assert api.run(call, context, Stop(), trusting(settings)).output == {"ok": True}
    call = StepCall(kind="api", arguments={"url": f"https://other.test:{secure.port}/"})
    with pytest.raises(StepFailedError, match=r"certificate of https://other\.test"):
        api.run(call, context, Stop(), trusting(settings), resolve=of_names(other="127.0.0.1"))
    assert len(secure.seen) == 1


def test_a_stop_breaks_a_secure_connection_too(secure: LocalServer, settings, context):
    secure.answers["/"] = Reply(raw=b"", holds=True)
    call, stop = StepCall(kind="api", arguments={"url": f"https://localhost:{secure.port}/"}), Stop()
    threading.Thread(target=lambda: secure.arrived.wait(PATIENCE) and stop.ask("stopped"), daemon=True).start()
    with pytest.raises(EffectStopped):
        api.run(call, context, stop, trusting(settings))
    assert secure.client_gone.wait(PATIENCE)


def test_certificates_that_cannot_be_read_are_no_fault_of_the_step(secure: LocalServer, settings, context, tmp_path):
    call = StepCall(kind="api", arguments={"url": f"https://localhost:{secure.port}/"})
    missing = replace(settings, environment={"SSL_CERT_FILE": str(tmp_path / "missing.pem")})
    with pytest.raises(UnsupportedError, match="`SSL_CERT_FILE`"):
        api.run(call, context, Stop(), missing)


def test_plain_text_where_tls_was_asked_for_is_a_failure_before_anything_was_sent(server, perform):
    error = failure(perform, f"https://127.0.0.1:{server.port}/")
    assert error.details == {"connection": True}


# -- proxies ---------------------------------------------------------------------------------------


def through(settings: StepSettings, server: LocalServer, **more: str) -> StepSettings:
    proxy = f"http://us%20er:pw@127.0.0.1:{server.port}"
    return replace(settings, environment={"HTTP_PROXY": proxy, "https_proxy": proxy, **more})


def test_plain_requests_go_through_the_proxy_of_the_environment(server, settings, context):
    server.answers["http://api.test/x"] = as_json({"ok": True})
    call = StepCall(kind="api", arguments={"url": "http://api.test/x?a=b"})
    assert api.run(call, context, Stop(), through(settings, server)).output == {"ok": True}
    (seen,) = server.seen
    assert (seen.path, seen.headers["host"]) == ("http://api.test/x?a=b", "api.test")
    assert seen.headers["proxy-authorization"] == "Basic dXMgZXI6cHc="


def test_tls_goes_through_a_tunnel_and_is_checked_against_the_target(server, settings, context):
    server.answers["/x"] = as_json({"ok": True})
    call = StepCall(kind="api", arguments={"url": "https://localhost/x"})
    proxied = through(settings, server, SSL_CERT_FILE=str(CERTIFICATE))
    assert api.run(call, context, Stop(), proxied).output == {"ok": True}
    tunnel, request = server.seen
    assert (tunnel.method, tunnel.path) == ("CONNECT", "localhost:443")
    assert tunnel.headers["Proxy-Authorization"].startswith("Basic ")
    assert "proxy-authorization" not in request.headers


def test_no_proxy_leads_past_it(server, settings, context):
    server.answers["/"] = as_json({"ok": True})
    proxied = replace(settings, environment={"HTTP_PROXY": "http://127.0.0.1:1", "NO_PROXY": "x, 127.0.0.0/8"})
    assert api.run(StepCall(kind="api", arguments={"url": server.url}), context, Stop(), proxied).output == {"ok": True}


def test_a_host_from_an_expression_is_not_left_to_a_proxy_to_look_up(server, settings, context):
    call = StepCall(kind="api", arguments={"url": "http://api.test/", "dynamic_host": True})
    with pytest.raises(StepFailedError, match="through a proxy"):
        api.run(call, context, Stop(), through(settings, server))
    assert server.seen == []


@pytest.mark.parametrize("proxy", ["socks5://p:1", "https://p", "http://", "::"])
def test_a_proxy_of_another_sort_is_no_fault_of_the_step(server, settings, context, proxy):
    call = StepCall(kind="api", arguments={"url": server.url})
    with pytest.raises(UnsupportedError, match="`HTTP_PROXY`"):
        api.run(call, context, Stop(), replace(settings, environment={"http_proxy": proxy}))
    assert server.seen == []


@pytest.mark.parametrize(
    ("listed", "url", "is_proxied"),
    [
        ("", "http://a.test", True),
        ("*", "http://a.test", False),
        ("a.test", "http://a.test", False),
        ("A.TEST", "http://a.test", False),
        (".a.test", "http://b.a.test", False),
        ("*.a.test", "http://b.a.test", False),
        ("a.test", "http://ba.test", True),
        ("a.test:81", "http://a.test", True),
        ("a.test:80", "http://a.test", False),
        ("10.0.0.0/8", "http://10.1.2.3", False),
        ("10.0.0.0/8", "http://11.1.2.3", True),
        ("::1", "http://[::1]", False),
        ("[::1]:80", "http://[::1]", False),
        ("b, a.test", "http://a.test", False),
    ],
)
def test_no_proxy_is_read_as_others_read_it(listed, url, is_proxied):
    found = proxy_for(parse_url(url), {"all_proxy": "p:3128", "NO_PROXY": listed})
    assert (found is not None) is is_proxied
    assert found is None or (found.host, found.port, found.authorization) == ("p", 3128, None)


def test_the_kind_introduces_itself():
    assert KINDS["api"].run is api.run


TWO_AT_ONCE = """
import sys, threading
from checkpointflow.steps.exchange import Line, Request, Route, Unreached
from checkpointflow.steps.urls import parse_url

met = []

def ask():
    request = Request(method="GET", url=parse_url("http://127.0.0.1:9/"), headers={}, body=None)
    try:
        Line({}).send(request, Route(addresses=["127.0.0.1"], port=9))
    except Unreached:
        met.append("unreached")

class Halfway:
    def find_spec(self, name, *_rest):
        if name == "urllib3.connectionpool" and threading.current_thread() is first:
            second.start()
            met.append(f"beside: {beside.wait(0.3)}")
        elif name == "urllib3.connection" and threading.current_thread() is second:
            beside.set()

beside = threading.Event()
first, second = threading.Thread(target=ask), threading.Thread(target=ask)
sys.meta_path.insert(0, Halfway())
first.start()
first.join()
second.join()
print(met)
"""


def test_two_first_requests_at_once_do_not_load_the_client_beside_each_other():
    process = subprocess.run([sys.executable, "-c", TWO_AT_ONCE], capture_output=True, text=True)
    assert process.stdout == "['beside: False', 'unreached', 'unreached']\n", process.stderr
