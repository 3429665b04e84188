"""Secrets from the command line: refused where they are missing, and in no file, envelope or talk afterwards."""

from __future__ import annotations

import pytest

from cli.program import Answer, Program
from local_server import Reply, Seen, local_server

SECRET = "hunter2-of-the-api"
DOCUMENT = """\
schema_version: checkpointflow/v1
workflow:
  id: report
  inputs: {type: object, properties: {base: {type: string}}, required: [base], additionalProperties: false}
  secrets: {token: {env: REPORT_TOKEN}}
  steps:
    - id: ask
      kind: api
      method: POST
      effect: once
      url: ${inputs.base}/of/${secrets.token}
      allow_private_hosts: true
      headers: {Authorization: "Bearer ${secrets.token}"}
      body: {token: "${secrets.token}"}
      timeout_seconds: 30
      on_error: {next: told}
    - id: told
      kind: cli
      command: printf '%s|' "$T" ${steps.ask.error.details.body} >&2; env | grep -c REPORT_TOKEN
      env: {T: "${secrets.token}"}
      success: {exit_codes: [1]}
    - {id: gate, kind: await_event, audience: user, event_name: go, input_schema: {}}
    - {id: done, kind: end, result: "${steps.ask.error.details.body}"}
"""


def everything(cpf: Program, answers: list[Answer]) -> dict[str, bytes]:
    """Return all that was written, and all that was said."""
    written = {str(path): path.read_bytes() for path in cpf.home.rglob("*") if path.is_file()}
    return written | {f"{index}": (one.stdout + one.stderr).encode() for index, one in enumerate(answers)}


def test_a_secret_is_written_down_and_told_nowhere(cpf: Program, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(seen: Seen) -> Reply:
        return Reply(status=403, body=b"no: " + seen.headers["authorization"].encode())

    monkeypatch.setenv("REPORT_TOKEN", SECRET)
    cpf.write("report.yaml", DOCUMENT)
    with local_server({f"/of/{SECRET}": refuse}) as server:
        of_run = ("-f", "report.yaml", "--set", f"base={server.url}")
        answers = [cpf.here("plan", *of_run), cpf.here("run", *of_run, "-o", "ndjson")]
        run_id = answers[1].lines[-1]["run_id"]
        (seen,) = server.seen
    assert (seen.headers["authorization"], seen.body.decode()) == (f"Bearer {SECRET}", f'{{"token":"{SECRET}"}}')
    monkeypatch.setenv("REPORT_TOKEN", "another-one-by-now")
    answers += [cpf.here(word, "--run-id", run_id) for word in ("status", "inspect", "logs")]
    answers += [cpf.here("logs", "--run-id", run_id, "told", "--stderr")]
    answers += [cpf.here("resume", "--run-id", run_id, "--event", "go", "--input", "1")]
    assert answers[-1].envelope["result"] == "no: Bearer ***"
    assert answers[-2].stdout == "***|no: Bearer ***|"
    told = everything(cpf, answers)
    assert [place for place, data in told.items() if SECRET.encode() in data] == []
    assert any(b"${secrets.token}" in data for data in told.values())


@pytest.mark.parametrize("words", [("run",), ("run", "--detach")])
def test_a_run_whose_secret_is_missing_here_is_refused(
    cpf: Program, monkeypatch: pytest.MonkeyPatch, words: tuple[str, ...]
) -> None:
    monkeypatch.delenv("REPORT_TOKEN", raising=False)
    cpf.write("report.yaml", DOCUMENT)
    refused = cpf.here(*words, "-f", "report.yaml", "--set", "base=http://x.test").envelope
    assert refused["exit_code"] == 10
    assert "`REPORT_TOKEN` is not set" in refused["error"]["message"]
    assert cpf.here("runs").envelope["runs"] == []
