"""Secrets in steps of kind `api`: sent at their places, never to another origin, written down nowhere."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import parse_qs

import pytest

from checkpointflow.errors import DocumentError
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.values import JsonObject
from frontends.running import Running, document
from local_server import LocalServer, Reply, local_server

HEAD = "secrets: {token: {env: TOKEN}, key: {file: key.txt}}"
USED = "\n- {id: used, kind: cli, command: 'true', env: {A: '${secrets.token}', B: '${secrets.key}'}}"
TOKEN, KEY = "open/sesame&now=1 ü", "key-of-the-door"
HEADER_SAFE = "open-sesame"


@pytest.fixture
def server() -> Iterator[LocalServer]:
    with local_server() as one:
        yield one


class Held(Running):
    """A run of one request with secrets, to a server of the test's own."""

    def __init__(self, folder: Path, request: str, run_input: JsonObject | None = None, token: str = TOKEN) -> None:
        step = f"- {{id: a, kind: api, timeout_seconds: 30, {request}}}"
        super().__init__(folder, document(step, head=HEAD), run_input)
        (self.folder / "key.txt").write_text(KEY)
        self._settings.environment["TOKEN"] = token  # type: ignore[index]
        self._written = folder / "runs"
        self._token = token

    def leaks(self) -> list[str]:
        """Return where a secret was written down."""
        texts = {f"journal[{index}]": repr(entry) for index, entry in enumerate(self.journal)}
        texts |= {str(path): path.read_text() for path in self._written.rglob("*") if path.is_file()}
        return [place for place, text in texts.items() if self._token in text or KEY in text]


def errors(steps: str, head: str = HEAD) -> list[JsonObject]:
    try:
        problems = load_text(document(steps + USED, head=head), source_path=None, cwd=Path("/")).problems
    except DocumentError as error:
        problems = error.problems
    return [one for one in problems if one["severity"] == "error"]


# -- where they may stand --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        "url: 'https://x.test/${secrets.token}/b?k=${secrets.key}'",
        "url: '${inputs.base}/${secrets.token}'",
        "url: 'https://x.test/', query: {k: '${secrets.key}', l: [a, 'b ${secrets.token}']}",
        "url: 'https://x.test/', headers: {Authorization: 'Bearer ${secrets.token}'}",
        "url: 'https://x.test/', method: POST, body: {a: [{b: 'x ${secrets.token}'}]}",
        "url: 'https://x.test/', method: POST, body: 'a=${secrets.token}'",
    ],
)
def test_secrets_may_stand_in_path_query_headers_and_body(fields: str) -> None:
    assert errors(f"- {{id: a, kind: api, {fields}}}") == []


@pytest.mark.parametrize(
    "url",
    [
        "${secrets.token}",
        "${secrets.token}/path",
        "https://${secrets.token}",
        "https://${secrets.token}/path",
        "https://${secrets.token}.x.test/path",
        "https://x.test${secrets.token}/path",
        "https://x.test:${secrets.token}/path",
        "https://${inputs.sub}.${ secrets.token }/path",
    ],
)
def test_a_secret_in_the_host_is_refused(url: str) -> None:
    (problem,) = errors(f"- {{id: a, kind: api, url: '{url}'}}")
    assert "says who is asked" in str(problem["message"])
    assert "may stand in the path and the query" in str(problem["hint"])
    assert problem["path"] == "workflow.steps[0].url"


# -- what is sent ----------------------------------------------------------------------------------


def test_each_place_gets_the_secret_as_it_has_to_be_written_there(server: LocalServer, tmp_path: Path) -> None:
    server.reply_to = lambda _seen: Reply(body=b"{}")  # type: ignore[method-assign]
    held = Held(
        tmp_path,
        f"method: POST, url: '{server.url}/ä p/${{secrets.token}}/${{inputs.x}} /${{secrets.key}}?t=${{secrets.token}}'"
        ", query: {q: ['${secrets.token}', '${inputs.x}']}, headers: {X-Key: 'K ${secrets.key}', X: '${inputs.x}'},"
        " body: {t: '${secrets.token}', x: '${inputs.x}'}",
        {"x": "${secrets.key}"},
    ).drive()
    assert held.status == "completed"
    (seen,) = server.seen
    path, _, query = seen.path.partition("?")
    look_alike = "%24%7Bsecrets.key%7D"
    assert path == f"/%C3%A4%20p/open%2Fsesame%26now%3D1%20%C3%BC/{look_alike}%20/{KEY}"
    assert parse_qs(query) == {"t": [TOKEN], "q": [TOKEN, "${secrets.key}"]}
    assert (seen.headers["x-key"], seen.headers["x"]) == (f"K {KEY}", "${secrets.key}")
    assert json.loads(seen.body) == {"t": TOKEN, "x": "${secrets.key}"}
    assert held.leaks() == []


def test_calls_hold_placeholders(server: LocalServer, tmp_path: Path) -> None:
    server.answers[f"/{KEY}"] = Reply()
    request = f"url: '{server.url}/${{secrets.key}}#${{secrets.key}}', headers: {{A: 'B ${{secrets.token}}'}}"
    (started,) = Held(tmp_path, request, token=HEADER_SAFE).drive().entries("step_started")
    assert started["arguments"] == {
        "method": "GET",
        "url": server.url + "/${secrets.key}",
        "headers": {"A": "B ${secrets.token}"},
        "secrets": [
            {"at": ["url"], "offset": len(server.url) + 1, "name": "key", "encoding": "percent"},
            {"at": ["headers", "A"], "offset": 2, "name": "token"},
        ],
    }


def test_a_secret_that_fits_no_header_fails_the_step_unshown(server: LocalServer, tmp_path: Path) -> None:
    held = Held(tmp_path, f"url: '{server.url}/', headers: {{A: '${{secrets.token}}'}}", token="line\nbreak").drive()
    assert "the header `A`" in str(held.error["message"])
    assert (server.seen, held.leaks()) == ([], [])


# -- what comes back -------------------------------------------------------------------------------

ASKED = "headers: {A: '${secrets.token}', B: '${secrets.key}'}"


def test_an_answer_that_holds_a_secret_fails_the_step_and_is_kept_masked(server: LocalServer, tmp_path: Path) -> None:
    server.answers["/"] = Reply(body=json.dumps({"echo": [HEADER_SAFE]}).encode())
    held = Held(tmp_path, f"url: '{server.url}/', {ASKED}", token=HEADER_SAFE).drive()
    assert held.error["code"] == "ERR_STEP_OUTPUT_INVALID"
    assert "holds the secret `token`" in str(held.error["message"])
    assert held.leaks() == []
    (stdout,) = (tmp_path / "runs").rglob("stdout/*.txt")
    assert stdout.read_text() == '{"echo": ["***"]}'


@pytest.mark.parametrize("before", [0, 1990, 1995, 65_530])
def test_an_error_shows_no_part_of_a_secret(server: LocalServer, tmp_path: Path, before: int) -> None:
    body = b"x" * before + HEADER_SAFE.encode() + b" and " + KEY.encode()
    server.answers["/"] = Reply(status=400, body=body, headers={"X-Request-Id": "i" * 495 + KEY})
    held = Held(tmp_path, f"url: '{server.url}/', {ASKED}", token=HEADER_SAFE).drive()
    details = held.error["details"]
    assert isinstance(details, dict)
    assert details["body"] == ("x" * before + "*** and ***")[:2000]
    assert details["headers"] == {"x-request-id": "i" * 495 + "***"}
    assert held.leaks() == []


def test_no_part_of_a_secret_is_left_where_a_long_answer_is_cut_off(server: LocalServer, tmp_path: Path) -> None:
    secret = "0123456789" * 100
    server.answers["/"] = Reply(status=400, body=f"{secret}.".encode() * 8400)
    held = Held(tmp_path, f"url: '{server.url}/', {ASKED}", token=secret).drive()
    (stdout,) = (tmp_path / "runs").rglob("stdout/*.txt")
    assert stdout.read_text().endswith("***.***")
    assert "0123456" not in stdout.read_text() + repr(held.journal)


def test_a_header_is_read_as_utf_8_so_that_a_secret_in_it_is_known(server: LocalServer, tmp_path: Path) -> None:
    raw = f"HTTP/1.1 400 No\r\nX-Request-Id: {TOKEN}\r\nContent-Length: 0\r\n\r\n"
    server.answers["/"] = Reply(raw=raw.encode())
    held = Held(tmp_path, f"url: '{server.url}/', query: {{t: '${{secrets.token}}'}}").drive()
    details = held.error["details"]
    assert isinstance(details, dict)
    assert details["headers"] == {"x-request-id": "***"}


def test_a_secret_in_a_path_is_not_shown_when_nobody_answers(tmp_path: Path) -> None:
    with local_server() as gone:
        url = gone.url
    held = Held(tmp_path, f"url: '{url}/${{secrets.key}}', query: {{t: '${{secrets.token}}'}}").drive()
    assert held.error["details"] == {"connection": True}
    assert held.leaks() == []


# -- redirects -------------------------------------------------------------------------------------


def test_another_origin_gets_no_secret(server: LocalServer, tmp_path: Path) -> None:
    with local_server({"/": Reply()}) as other:
        server.answers["/"] = Reply(status=302, headers={"Location": other.url})
        headers = "headers: {A: '${secrets.token}', User-Agent: 'me ${secrets.key}'}, allow_private_hosts: true"
        held = Held(tmp_path, f"url: '{server.url}/', {headers}", token=HEADER_SAFE).drive()
        assert held.status == "completed"
        (seen,) = other.seen
    assert HEADER_SAFE not in str(seen)
    assert KEY not in str(seen)
    assert server.seen[0].headers["user-agent"] == f"me {KEY}"


@pytest.mark.parametrize("body", ["'t=${secrets.token}'", "{t: '${secrets.token}'}"])
def test_a_redirect_that_would_take_secrets_elsewhere_in_the_body_is_refused(
    server: LocalServer, tmp_path: Path, body: str
) -> None:
    with local_server({"/": Reply()}) as other:
        server.answers["/"] = Reply(status=307, headers={"Location": other.url})
        request = f"method: POST, effect: once, url: '{server.url}/', body: {body}, allow_private_hosts: true"
        held = Held(tmp_path, request, token='quo"te\\d').drive()
        assert f"redirected to {other.url}, which is not to get the secrets" in str(held.error["message"])
        assert other.seen == []
    assert held.leaks() == []


def test_the_same_origin_gets_them_again(server: LocalServer, tmp_path: Path) -> None:
    server.answers |= {"/": Reply(status=307, headers={"Location": "/b"}), "/b": Reply()}
    held = Held(tmp_path, f"method: PUT, url: '{server.url}/', {ASKED}, body: '${{secrets.key}}'", token=HEADER_SAFE)
    assert held.drive().status == "completed"
    assert [(one.headers["a"], one.body.decode()) for one in server.seen] == [(HEADER_SAFE, KEY)] * 2
