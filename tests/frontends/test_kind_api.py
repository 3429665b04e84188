"""The kind `api` in documents: values in their places, retries, outcomes, and what is checked before anything runs."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import unquote, urlsplit

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from checkpointflow.errors import DocumentError
from checkpointflow.expressions import Expression, Scope, parse_template, text_of
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.document.url_places import faults, has_dynamic_host, placed_url
from checkpointflow.kernel.effects import Effect
from checkpointflow.kernel.threads import ThreadExecutor
from checkpointflow.steps import make_perform
from checkpointflow.values import JsonObject, JsonValue
from frontends.running import Running, document, run
from local_server import LocalServer, Reply, local_server

INPUTS = "{type: object, properties: {base: {type: string}, x: {}}}"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as one:
        yield one


def as_json(value: JsonValue, status: int = 200) -> Reply:
    return Reply(status=status, body=json.dumps(value).encode(), headers={"Content-Type": "application/json"})


def step(url: str, *lines: str) -> str:
    return "\n".join(["- id: call", "  kind: api", f"  url: {json.dumps(url)}", *(f"  {line}" for line in lines)])


def called(folder: Path, url: str, *lines: str, x: JsonValue = None, more: str = "") -> Running:
    run_input: JsonObject = {} if x is None else {"x": x}
    return run(folder, f"{step(url, *lines)}\n{more}", run_input, inputs=INPUTS)


# -- values in the url -----------------------------------------------------------------------------


def placed(url: str, **inputs: JsonValue) -> str:
    def text(expression: Expression) -> str:
        return text_of(expression.evaluate({"inputs": inputs}))

    return str(placed_url(parse_template(url, Scope(roots={"inputs": None})), text))


def dynamic(url: str) -> bool:
    return has_dynamic_host(parse_template(url, Scope(roots={"inputs": None})))


HOSTILE = "a/b?c#d&e=f%2F..;g ü\\\n@:"


@pytest.mark.parametrize(
    ("url", "sent"),
    [
        ("https://x.test/p/${inputs.v}/q", "/p/a%2Fb%3Fc%23d%26e%3Df%252F..%3Bg%20%C3%BC%5C%0A%40%3A/q"),
        ("https://x.test/p?q=${inputs.v}&r=s", "/p?q=a%2Fb%3Fc%23d%26e%3Df%252F..%3Bg%20%C3%BC%5C%0A%40%3A&r=s"),
        ("https://x.test?q=${inputs.v}", "/?q=a%2Fb%3Fc%23d%26e%3Df%252F..%3Bg%20%C3%BC%5C%0A%40%3A"),
    ],
)
def test_a_value_in_path_or_query_cannot_end_its_place(url: str, sent: str) -> None:
    assert placed(url, v=HOSTILE) == f"https://x.test{sent}"
    assert not dynamic(url)


@settings(max_examples=300, deadline=None)
@given(
    value=st.text(), url=st.sampled_from(["https://x.test/a/${inputs.v}/b?c=d", "https://x.test/a/b?c=${inputs.v}&d"])
)
def test_whatever_a_value_is_the_address_keeps_its_shape(value: str, url: str) -> None:
    try:
        found = urlsplit(placed(url, v=value))
    except ValueError:
        assert value in ("", ".", "..")
        return
    assert (found.netloc, found.path.count("/"), found.fragment) == ("x.test", url.split("?")[0].count("/") - 2, "")
    assert (found.query.count("&"), found.query.count("=")) == (url.count("&"), 1)
    assert value in (unquote(found.path.split("/")[2]), unquote(found.query[2:-2]))


@pytest.mark.parametrize(
    ("url", "values", "whole"),
    [
        ("https://x.test/${inputs.v}", {"v": 7}, "https://x.test/7"),
        ("https://x.test/${inputs.v}", {"v": True}, "https://x.test/true"),
        ("https://x.test/${inputs.v}", {"v": ["a"]}, "https://x.test/%5B%22a%22%5D"),
        ("https://x.test/a-${inputs.v}.html", {"v": ".."}, "https://x.test/a-...html"),
        ("https://x.test/a/../b/${inputs.v}", {"v": "c"}, "https://x.test/a/../b/c"),
        ("https://x.test/ü?q=a b", {}, "https://x.test/%C3%BC?q=a%20b"),
        ("HTTP://X.test:80/#part", {}, "http://x.test/"),
        ("https://x.test:${inputs.v}/p", {"v": 8443}, "https://x.test:8443/p"),
        ("https://${inputs.v}.x.test/p", {"v": "eu-1"}, "https://eu-1.x.test/p"),
        ("https://${inputs.v}/p", {"v": "y.test:8443"}, "https://y.test:8443/p"),
        ("https://${inputs.v}", {"v": "[::1]"}, "https://[::1]/"),
        ("https://[::1]:${inputs.v}/", {"v": "81"}, "https://[::1]:81/"),
        ("${inputs.v}", {"v": " https://y.test/a?b=c#d\n"}, "https://y.test/a?b=c"),
        ("${inputs.v}/p/${inputs.w}", {"v": "https://y.test", "w": "/"}, "https://y.test/p/%2F"),
        ("${inputs.v}/p", {"v": "https://y.test/v1/"}, "https://y.test/v1//p"),
        ("${inputs.v}${inputs.w}", {"v": "https://y.test/v1/", "w": "a/b"}, "https://y.test/v1/a%2Fb"),
        (" ${inputs.v}?q=1 ", {"v": "http://y.test:8080"}, "http://y.test:8080/?q=1"),
    ],
)
def test_a_value_stands_where_it_was_put(url: str, values: JsonObject, whole: str) -> None:
    assert placed(url, **values) == whole


@pytest.mark.parametrize(
    ("url", "values"),
    [
        ("https://x.test/pages/${inputs.v}", {"v": ".."}),
        ("https://x.test/pages/${inputs.v}/a", {"v": "."}),
        ("https://x.test/pages/.${inputs.v}?q", {"v": "."}),
        ("https://x.test/pages/%2e${inputs.v}", {"v": "."}),
        ("https://x.test/pages/${inputs.v}", {"v": ""}),
        ("https://x.test/pages/${inputs.v}/edit", {"v": ""}),
        ("${inputs.b}/pages/${inputs.v}", {"b": "https://y.test", "v": ".."}),
        ("https://${inputs.v}.x.test/", {"v": "evil.test/"}),
        ("https://${inputs.v}.x.test/", {"v": "evil.test?"}),
        ("https://${inputs.v}.x.test/", {"v": "evil.test#"}),
        ("https://${inputs.v}.x.test/", {"v": "me@evil.test"}),
        ("https://${inputs.v}.x.test/", {"v": "evil.test:1"}),
        ("https://${inputs.v}.x.test/", {"v": "evil.test\\"}),
        ("https://${inputs.v}.x.test/", {"v": "a\n"}),
        ("https://${inputs.v}/", {"v": ""}),
        ("https://${inputs.v}/", {"v": "ü.test"}),
        ("https://x.test:${inputs.v}/", {"v": "80/"}),
        ("https://x.test:${inputs.v}/", {"v": "80@evil.test"}),
        ("https://x.test:${inputs.v}/", {"v": "\u0663"}),
        ("https://x.test:${inputs.v}/", {"v": 70000}),
        ("https://x.test/${inputs.v}", {"v": "\ud800"}),
        ("${inputs.v}", {"v": "file:///etc/passwd"}),
        ("${inputs.v}", {"v": "y.test/p"}),
        ("${inputs.v}", {"v": 7}),
        ("${inputs.v}", {"v": "https://me:pw@y.test/"}),
        ("${inputs.v}/p", {"v": "https://y.test/a?b=c"}),
        ("${inputs.v}/p", {"v": "https://y.test/#"}),
        ("${inputs.v}.x.test/", {"v": "https://evil"}),
        ("${inputs.v}:80/", {"v": "https://evil"}),
        ("${inputs.v}${inputs.w}", {"v": "https://x.test", "w": ".evil.test"}),
    ],
)
def test_a_value_that_would_lead_elsewhere_is_refused(url: str, values: JsonObject) -> None:
    with pytest.raises(ValueError):
        placed(url, **values)


@pytest.mark.parametrize(
    "url",
    ["${inputs.v}", " ${inputs.v}/p", "https://${inputs.v}/", "https://a.${inputs.v}.c:80/", "http://a${inputs.v}:1"],
)
def test_a_host_that_a_value_has_a_part_in_comes_from_an_expression(url: str) -> None:
    assert dynamic(url)


@pytest.mark.parametrize(
    "url",
    [
        "https://a/",
        "https://a:${inputs.v}/",
        "https://a/${inputs.v}",
        "https://a?${inputs.v}",
        "https://[::1]:${inputs.v}",
    ],
)
def test_any_other_host_is_written_out(url: str) -> None:
    assert not dynamic(url)


def test_a_value_that_fits_no_place_fails_the_step_and_nothing_is_sent(server: LocalServer, tmp_path: Path) -> None:
    error = called(tmp_path, f"{server.url}/pages/${{inputs.x}}", x="..").error
    assert "`url` of step `call`" in str(error["message"])
    assert server.seen == []


def test_null_in_the_url_fails_the_step(server: LocalServer, tmp_path: Path) -> None:
    error = called(tmp_path, f"{server.url}/pages/${{inputs.x}}").error
    assert error["message"] == (
        "`inputs.x` is null, and `url` of step `call` needs a value; "
        "give one with `default(…)`, or skip the step with `if`"
    )
    assert server.seen == []


# -- what is sent, and what comes back -------------------------------------------------------------


def test_query_headers_and_body_are_rendered_deeply(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/p"] = as_json({"id": 7, "tags": ["a"]}, status=202)
    done = called(
        tmp_path,
        f"{server.url}/p",
        "method: PATCH",
        "effect: once",
        'query: {q: "${inputs.x.q}", none: "${inputs.base}", list: "${inputs.x.list}", n: 1, t: true}',
        'headers: {X-Q: "q ${inputs.x.q}", X-None: "${inputs.base}", X-List: "${inputs.x.list}", X-N: 1}',
        'body: {whole: "${inputs.x.list}", deep: [{q: "(${inputs.x.q})", "${inputs.x.q}": null}]}',
        x={"q": "a&b", "list": [1, None, "c d"]},
        more="- {id: ok, kind: end, result: '${steps.call}'}",
    )
    assert done.result == {"status": "completed", "outputs": {"id": 7, "tags": ["a"]}, "status_code": 202}
    (seen,) = server.seen
    assert seen.path == "/p?q=a%26b&list=1&list=c%20d&n=1&t=true"
    assert json.loads(seen.body) == {"whole": [1, None, "c d"], "deep": [{"q": "(a&b)", "${inputs.x.q}": None}]}
    assert (seen.headers["x-q"], seen.headers["x-list"], seen.headers["x-n"]) == ("q a&b", '[1,null,"c d"]', "1")
    assert "x-none" not in seen.headers


@pytest.mark.parametrize(
    ("body", "x", "sent", "content_type"),
    [
        ("${inputs.x}", {"a": 1}, b'{"a":1}', "application/json"),
        ("${inputs.x}", "text", b"text", "text/plain; charset=utf-8"),
        ("${inputs.x}", None, b"", None),
        ("a=${inputs.x}", 1, b"a=1", "text/plain; charset=utf-8"),
        ("${inputs.x}", False, b"false", "application/json"),
    ],
)
def test_a_body_of_one_expression_keeps_its_type(
    server: LocalServer, tmp_path: Path, body: str, x: JsonValue, sent: bytes, content_type: str | None
) -> None:
    server.answers["/"] = as_json({})
    called(tmp_path, server.url, "method: PUT", f"body: {json.dumps(body)}", x=x)
    (seen,) = server.seen
    assert (seen.body, seen.headers.get("content-type")) == (sent, content_type)


def test_the_journal_keeps_the_request_as_data(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/p/a b"] = as_json({})
    done = called(tmp_path, f"{server.url}/p/${{inputs.x}}", "query: {q: [1, 2]}", "body: {a: 1}", x="a b")
    (started,) = done.entries("step_started")
    assert started["arguments"] == {
        "method": "GET", "url": f"{server.url}/p/a%20b", "query": {"q": ["1", "2"]}, "body": {"a": 1},
    }  # fmt: skip


def test_a_failing_status_can_be_told_apart_where_on_error_leads(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = as_json({"why": "gone"}, status=410)
    done = called(
        tmp_path,
        server.url,
        "on_error: {next: told}",
        more="- {id: told, kind: end, result: ['${steps.call.status_code}', '${steps.call.error.details.body}']}",
    )
    assert done.result == [410, '{"why": "gone"}']


def test_a_failing_status_fails_the_run(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = as_json({}, status=403)
    done = called(tmp_path, server.url)
    assert done.error["message"] == "step `call` was answered 403 (Forbidden), which is no success here"
    assert done.exit_code == 30


def test_outputs_are_held_against_their_schema(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = as_json({"id": "seven"})
    schema = "outputs: {type: object, properties: {id: {type: integer}}}"
    assert called(tmp_path, server.url, schema).error["code"] == "ERR_STEP_OUTPUT_INVALID"


# -- hosts -----------------------------------------------------------------------------------------


def test_a_base_address_from_the_input_may_be_private_only_if_the_step_says_so(
    server: LocalServer, tmp_path: Path
) -> None:
    server.answers["/p"] = as_json({"ok": True})
    refused = run(tmp_path / "a", step("${inputs.base}/p"), {"base": server.url}, inputs=INPUTS)
    assert "no public address" in str(refused.error["message"])
    assert server.seen == []
    allowed = step("${inputs.base}/p", "allow_private_hosts: true")
    assert run(tmp_path / "b", allowed, {"base": server.url}, inputs=INPUTS).status == "completed"


def test_a_written_host_may_be_private_and_a_redirect_from_it_may_not(server: LocalServer, tmp_path: Path) -> None:
    with local_server({"/": as_json({})}) as inner:
        server.answers["/"] = Reply(status=302, headers={"Location": f"http://localhost:{inner.port}/"})
        assert "redirect" in str(called(tmp_path, server.url).error["message"])
        assert inner.seen == []


# -- retries ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("status", [408, 429, 500, 503, 599])
def test_what_may_pass_is_tried_again_when_asked_with_the_same_idempotency_key(
    server: LocalServer, tmp_path: Path, status: int
) -> None:
    server.answers["/"] = [as_json({}, status), as_json({"ok": True})]
    done = called(tmp_path, server.url, "method: POST", "retry: {max_attempts: 3, backoff_seconds: 0}").drive()
    assert done.attempts == {"call": 2}
    assert [seen.headers["idempotency-key"] for seen in server.seen] == ["a-run/call/0"] * 2


def test_a_failed_run_that_is_retried_sends_a_new_idempotency_key(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = [as_json({}, 400), as_json({"ok": True})]
    assert called(tmp_path, server.url).retry().status == "completed"
    assert [seen.headers["idempotency-key"] for seen in server.seen] == ["a-run/call/0", "a-run/call/1"]


@pytest.mark.parametrize("status", [400, 404, 409, 422])
def test_what_stays_wrong_is_not_tried_again_unless_named(server: LocalServer, tmp_path: Path, status: int) -> None:
    server.answers["/"] = [as_json({}, status), as_json({"ok": True})]
    once = called(tmp_path / "a", server.url, "retry: {max_attempts: 3, backoff_seconds: 0}")
    assert (once.status, once.attempts) == ("failed", {"call": 1})
    server.answers["/"] = [as_json({}, status), as_json({"ok": True})]
    named = f'retry: {{max_attempts: 3, backoff_seconds: 0, on: ["http:{status}"]}}'
    assert called(tmp_path / "b", server.url, named).drive().status == "completed"


def test_nothing_is_tried_again_unless_asked(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = [as_json({}, 503), as_json({"ok": True})]
    assert called(tmp_path, server.url).status == "failed"
    assert len(server.seen) == 1


def test_nobody_there_is_tried_again_when_asked(tmp_path: Path) -> None:
    with local_server() as gone:
        url = gone.url
    done = called(tmp_path, url, "retry: {max_attempts: 2, backoff_seconds: 0}").drive()
    assert (done.status, done.attempts) == ("failed", {"call": 2})


@pytest.mark.parametrize(
    ("retry_after", "more", "due_in"),
    [
        ("120", "", 120),
        ("2", "", 30),
        ("Tue, 01 Jan 2030 00:05:00 GMT", "", 300),
        ("Mon, 31 Dec 2029 00:00:00 GMT", "", 30),
        ("soon", "", 30),
        ("3600", ", max_backoff_seconds: 600", 600),
    ],
)
def test_retry_after_lengthens_the_pause(
    server: LocalServer, tmp_path: Path, retry_after: str, more: str, due_in: float
) -> None:
    server.answers["/"] = [Reply(status=429, headers={"Retry-After": retry_after}), as_json({"ok": True})]
    parked = called(tmp_path, server.url, f"retry: {{max_attempts: 2, backoff_seconds: 30{more}}}")
    assert parked.status == "waiting"
    assert parked.pass_time(due_in - 1).status == "waiting"
    assert len(server.seen) == 1
    assert parked.pass_time(1).status == "completed"


def test_a_connection_lost_after_sending_is_decided_by_retry_and_in_doubt_for_once(
    server: LocalServer, tmp_path: Path
) -> None:
    server.answers["/"] = [Reply(raw=b""), as_json({"ok": True})]
    assert called(tmp_path / "a", server.url).error["details"] == {"connection": True}
    server.answers["/"] = [Reply(raw=b""), as_json({"ok": True})]
    retried = called(tmp_path / "b", server.url, "retry: {max_attempts: 2, backoff_seconds: 0}").drive()
    assert retried.status == "completed"
    server.answers["/"] = [Reply(raw=b""), as_json({"ok": True})]
    once = called(tmp_path / "c", server.url, "effect: once", "retry: {max_attempts: 2, backoff_seconds: 0}")
    assert (once.status, once.attempts, once.open) == ("waiting", {"call": 1}, ["call"])
    (interrupted,) = once.entries("step_interrupted")
    assert (interrupted["cause"], interrupted["in_doubt"]) == ("connection_lost", True)


def test_a_server_that_does_not_answer_in_time_is_left(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = Reply(raw=b"", holds=True)
    done = called(tmp_path, server.url, "timeout_seconds: 0.1")
    assert done.error["code"] == "ERR_TIMEOUT"
    assert server.client_gone.wait(30)


@pytest.mark.parametrize(
    ("lines", "head", "seconds"),
    [
        ((), "", 30.0),
        (("timeout_seconds: 5",), "defaults: {timeout_seconds: 7}", 5.0),
        ((), "defaults: {timeout_seconds: 7}", 7.0),
        (("timeout_seconds: 0",), "", None),
    ],
)
def test_an_attempt_has_30_seconds_unless_something_else_is_said(
    lines: tuple[str, ...], head: str, seconds: float | None, server: LocalServer, tmp_path: Path
) -> None:
    server.answers["/"] = as_json({})
    running = Running(tmp_path, document(step(server.url, *lines), head=head))
    watching = Watching(make_perform(running._settings), lambda _run, _attempts: None)
    running._drive(running.store.other_process(), watching)
    assert watching.bounds == (seconds,)


class Watching(ThreadExecutor):
    """Remembers how long each attempt may take."""

    bounds: tuple[float | None, ...] = ()

    def start(self, effect: Effect) -> None:
        self.bounds = (*self.bounds, effect.call.policy.timeout_seconds)
        super().start(effect)


# -- before anything runs --------------------------------------------------------------------------


def problems_of(*lines: str, head: str = "") -> list[tuple[str, str]]:
    text = document(
        "\n".join(["- id: call", "  kind: api", *(f"  {line}" for line in lines)]), head=head, inputs=INPUTS
    )
    try:
        problems = load_text(text, source_path=None, cwd="/nowhere").problems
    except DocumentError as error:
        problems = error.problems
    assert all(isinstance(problem["line"], int) and problem["line"] > 4 for problem in problems)
    return [(str(problem["severity"]), f"{problem['path']}: {problem['message']}") for problem in problems]


CALM = ("url: https://x.test/", "timeout_seconds: 5")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://x.test/", "has to begin with"),
        ("x.test/p", "has to begin with"),
        ("//x.test/p", "has to begin with"),
        ("p/${inputs.x}", "has to begin with"),
        ("http${inputs.x}://x.test/", "has to begin with"),
        ("${inputs.x}://x.test/", "has to begin with"),
        ("   ", "has to begin with"),
        ("https://me:pw@x.test/", "`Authorization`"),
        ("https://me:${inputs.x}@x.test/", "`Authorization`"),
        ("https:///p", "host"),
        ("https://ü.test/${inputs.x}", "xn--"),
        ("https://x.test:99999/", "ports"),
        ("https://x.test:8o/${inputs.x}", "host"),
    ],
)
def test_a_url_that_can_never_be_used_is_refused_before_anything_runs(url: str, message: str) -> None:
    ((severity, told),) = problems_of(f"url: {json.dumps(url)}", "timeout_seconds: 5")
    assert severity == "error"
    assert told.startswith("workflow.steps[0].url: ")
    assert message in told


@pytest.mark.parametrize(
    "url",
    [
        "${inputs.base}", " ${inputs.base}/p", "https://${inputs.x}/", "https://${inputs.x}.y.test:8443/",
        "https://x.test:${inputs.x}/p", "https://[::1]:80/", "http://x.test?q=@${inputs.x}", "http://x.test/a@b:c",
    ],
)  # fmt: skip
def test_a_url_that_may_be_used_is_accepted_in_silence(url: str) -> None:
    assert problems_of(f"url: {json.dumps(url)}", "timeout_seconds: 5") == []


def test_a_fragment_is_warned_of() -> None:
    (problem,) = problems_of('url: "https://x.test/a${inputs.x}#b"', "timeout_seconds: 5")
    assert problem == ("warning", "workflow.steps[0].url: what follows `#` is never sent")


@pytest.mark.parametrize(
    ("lines", "head", "told"),
    [
        (("url: https://x.test/",), "", "so 30 seconds hold"),
        (("url: https://x.test/",), "defaults: {timeout_seconds: 5}", None),
        (("url: https://x.test/", "timeout_seconds: 0"), "", "has no timeout"),
        (("url: https://x.test/",), "defaults: {timeout_seconds: 0}", "has no timeout"),
        ((*CALM, "method: POST"), "", "`POST` without `effect`"),
        ((*CALM, "method: PATCH"), "", "`PATCH` without `effect`"),
        ((*CALM, "method: POST", "effect: idempotent"), "", None),
        ((*CALM, "method: POST", "effect: once"), "", None),
        ((*CALM, "method: PUT"), "", None),
        ((*CALM, "method: DELETE"), "", None),
        (CALM, "", None),
    ],
)
def test_what_an_author_should_decide_is_warned_of(lines: tuple[str, ...], head: str, told: str | None) -> None:
    problems = problems_of(*lines, head=head)
    assert [severity for severity, _ in problems] == ([] if told is None else ["warning"])
    assert told is None or told in problems[0][1]


@pytest.mark.parametrize("name", ["Host", "content-length", "Transfer-Encoding"])
def test_headers_of_the_connection_are_refused(name: str) -> None:
    ((severity, told),) = problems_of(*CALM, f"headers: {{{name}: x}}")
    assert severity == "error"
    assert f"`{name}`" in told


def test_a_header_that_is_written_twice_is_refused() -> None:
    ((severity, told),) = problems_of(*CALM, "headers: {X-A: x, x-a: y}")
    assert (severity, "the same one" in told) == ("error", True)


def test_status_codes_are_known_to_expressions() -> None:
    more = "- {id: end, kind: end, result: '${steps.call.status_cod}'}"
    with pytest.raises(DocumentError, match="status_cod"):
        load_text(document(step("https://x.test/", "timeout_seconds: 5") + f"\n{more}"), source_path=None, cwd="/")


def test_every_fault_says_where_it_stands() -> None:
    (fault,) = faults(parse_template("https://x.test/${inputs.a}/b#c", Scope(roots={"inputs": None})))
    assert (fault.offset, fault.is_error) == ("https://x.test/${inputs.a}/b#c".index("#"), False)


def test_a_list_as_body_is_what_is_sent_and_no_list_of_steps(tmp_path: Path, server: LocalServer) -> None:
    server.answers["/"] = as_json({})
    called(tmp_path, server.url, "method: PUT", "body: [{id: '${inputs.x}', kind: cli}, 2]", x="a")
    assert json.loads(server.seen[0].body) == [{"id": "a", "kind": "cli"}, 2]
