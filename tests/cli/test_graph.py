"""`cpf graph`: the picture of a document, with the state of a run on it."""

from __future__ import annotations

import json

import pytest

from architecture.pages import ROOT, marked
from cli.documents import BROKEN, FAILING, GATE, SLEEPING, WARNED
from cli.program import Program
from cli.test_loading import loaded
from pictures.reading import Page, read_mermaid, read_svg, texts_of

ROLLOUT = """\
schema_version: checkpointflow/v1
workflow:
  id: rollout
  inputs: {type: object}
  on_error: {next: rolled_back}
  steps:
    - {id: flaky, kind: cli, command: "exit 3", on_error: {next: rounds}}
    - {id: never, kind: cli, command: "true"}
    - id: rounds
      kind: switch
      cases: [{when: "default(steps.count.outputs.n, 0) < 3", next: count}]
      default: maybe
    - {id: count, kind: set, values: {n: "${default(steps.count.outputs.n, 0) + 1}"}, next: rounds}
    - {id: maybe, kind: cli, if: "1 > 2", command: "true"}
    - id: regions
      kind: foreach
      items: '["eu", "us/1", "asia"]'
      item_key: ${item}
      max_parallel: 3
      body:
        - {id: prepare, kind: cli, command: "true"}
        - id: approve
          kind: await_event
          audience: user
          event_name: approve
          input_schema: {type: object, properties: {ok: {type: boolean}}, required: [ok]}
          transitions: [{when: event.ok, next: go}]
        - {id: refused, kind: end, result: "no"}
        - {id: go, kind: cli, command: "true"}
    - id: watch
      kind: parallel
      branches: [{start_at: metrics}, {start_at: logs}, {id: human, steps: [
        {id: look, kind: await_event, audience: user, event_name: looked, input_schema: true}]}]
    - {id: metrics, kind: sleep, seconds: 86400}
    - {id: logs, kind: cli, command: "true"}
    - {id: done, kind: end}
    - {id: rolled_back, kind: end, fail: rolled back}
"""


def states(cpf: Program, run_id: str) -> dict[str, str]:
    """Return the states that a picture shows, by label."""
    chart = read_mermaid(cpf.here("graph", "--run-id", run_id).stdout)
    shown: dict[str, str] = {}
    for name in chart.classes:
        label, *_, state = chart.labels[name].replace("\n", " · ").split(" · ")
        shown[label] = state
    return shown


@pytest.fixture
def rollout(cpf: Program) -> str:
    cpf.write("rollout.yaml", ROLLOUT)
    return str(cpf.here("run", "-f", "rollout.yaml", "--run-id", "rollout-1").envelope["run_id"])


def answer(cpf: Program, run_id: str, region: str, ok: bool) -> None:
    words = ("--event", "approve", "--wait", f'regions["{region}"]/approve', "--input", json.dumps({"ok": ok}))
    assert cpf.here("resume", "--run-id", run_id, *words, "--inline-wait", "0").envelope["status"] == "waiting"


# -- a document ------------------------------------------------------------------------------------


@pytest.mark.parametrize("form", ["mermaid", "svg", "html", "text"])
def test_the_picture_itself_is_printed(cpf: Program, form: str) -> None:
    cpf.write("gate.yaml", GATE)
    printed = cpf("graph", "-f", "gate.yaml", "--format", form)
    assert (printed.exit_code, printed.stderr) == (0, "")
    assert all(name in printed.stdout for name in ("first", "ask", "last"))
    readers = {"mermaid": read_mermaid, "svg": read_svg, "html": Page, "text": str}
    readers[form](printed.stdout)


def test_without_a_format_it_is_mermaid_or_what_the_file_is_called(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    assert cpf.here("graph", "-f", "gate.yaml").stdout.startswith("---\n")
    beginnings = {"a.svg": "<?xml", "a.HTML": "<!DOCTYPE", "a.txt": "A gate\n", "a.mmd": "---\n", "a": "---\n"}
    for name, beginning in beginnings.items():
        envelope = cpf.here("graph", "-f", "gate.yaml", "-o", name).envelope
        assert (envelope["output_file"], envelope["file"], envelope["workflow_id"]) == (name, "gate.yaml", "gate")
        assert (cpf.cwd / name).read_text(encoding="utf-8").startswith(beginning)
    cpf.here("graph", "-f", "gate.yaml", "--format", "text", "-o", "a.svg")
    assert (cpf.cwd / "a.svg").read_text(encoding="utf-8").startswith("A gate\n")


def test_warnings_of_the_document_stand_in_the_envelope(cpf: Program) -> None:
    cpf.write("warned.yaml", WARNED)
    assert cpf.here("graph", "-f", "warned.yaml", "-o", "a.svg").envelope["problems"]


def test_a_document_with_problems_is_refused(cpf: Program) -> None:
    cpf.write("broken.yaml", BROKEN)
    envelope = cpf.here("graph", "-f", "broken.yaml", "-o", "a.svg").envelope
    assert (envelope["exit_code"], envelope["ok"]) == (10, False)
    assert not (cpf.cwd / "a.svg").exists()


def test_neither_document_nor_run_is_refused(cpf: Program) -> None:
    assert cpf.here("graph").envelope["error"]["code"] == "ERR_USAGE"


def test_a_picture_is_never_written_over_a_document_that_it_shows(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    (cpf.cwd / "link.yaml").symlink_to("gate.yaml")
    for name in ("gate.yaml", "./gate.yaml", "link.yaml"):
        assert cpf.here("graph", "-f", "gate.yaml", "-o", name).envelope["error"]["code"] == "ERR_USAGE"
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    assert cpf.here("graph", "--run-id", "gate-1", "-o", "gate.yaml").exit_code == 10
    assert (cpf.cwd / "gate.yaml").read_text() == GATE


def test_a_place_that_cannot_be_written_is_told(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    envelope = cpf.here("graph", "-f", "gate.yaml", "-o", "no/where.svg").envelope
    assert envelope["error"]["message"] == "`no/where.svg` cannot be written: no such file or directory"


def test_a_document_alone_opens_no_store(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    modules = loaded(cpf, "graph", "-f", "gate.yaml", "--format", "svg")
    assert not modules & {"asyncio", "apsw", "checkpointflow.client", "checkpointflow.kernel.engine"}
    assert "checkpointflow.pictures.html" not in modules


def test_the_page_shows_the_picture_that_is_printed(cpf: Program) -> None:
    (shown,) = marked(ROOT / "docs" / "how-to" / "see-the-picture.md", "shows: the picture")
    path = str(ROOT / "examples" / "publish_page.yaml")
    assert cpf.here("graph", "-f", path, "--format", "text").stdout == shown


# -- a run -----------------------------------------------------------------------------------------


def test_a_run_shows_what_was_done_failed_skipped_repeated_and_what_waits(cpf: Program, rollout: str) -> None:
    assert states(cpf, rollout) == {
        "flaky": "✗ failed", "never": "· not reached", "rounds": "✓ completed ×4", "count": "✓ completed ×3",
        "maybe": "↷ skipped", "regions": "‖ waiting 0/3", "prepare": "✓ completed 3/3", "approve": "‖ waiting 0/3",
        "refused": "· not reached", "go": "· not reached", "watch": "· not reached", "metrics": "· not reached",
        "logs": "· not reached", "human": "· not reached", "look": "· not reached", "done": "· not reached",
        "rolled_back": "· not reached",
    }  # fmt: skip


def test_members_are_counted_as_they_end(cpf: Program, rollout: str) -> None:
    answer(cpf, rollout, "eu", ok=True)
    answer(cpf, rollout, "us%2F1", ok=False)
    shown = states(cpf, rollout)
    assert [shown[name] for name in ("regions", "approve", "go", "refused")] == [
        "‖ waiting 2/3", "‖ waiting 2/3", "✓ completed 1/3", "✓ completed 1/3",
    ]  # fmt: skip
    answer(cpf, rollout, "asia", ok=True)
    shown = states(cpf, rollout)
    assert [shown[name] for name in ("regions", "watch", "metrics", "logs", "human", "look")] == [
        "✓ completed 3/3", "‖ waiting 1/3", "‖ waiting", "✓ completed", "‖ waiting", "‖ waiting",
    ]  # fmt: skip
    envelope = cpf.here(
        "resume", "--run-id", rollout, "--event", "looked", "--input", "1", "--inline-wait", "0"
    ).envelope
    assert envelope["status"] == "waiting"
    shown = states(cpf, rollout)
    assert [shown[name] for name in ("watch", "human", "look")] == ["‖ waiting 2/3", "✓ completed", "✓ completed"]


def test_a_node_that_waits_is_shown_so_and_its_answer_is_no_visit(cpf: Program) -> None:
    for name in ("note.json", "handlers.py"):
        cpf.write(name, marked(ROOT / "docs" / "tutorial-graph.md", f"file: {name}")[0])
    cpf("run", "-f", "note.json", "--handlers", "handlers.py", "--run-id", "note", "--set", "topic=Owls")
    assert (states(cpf, "note")["draft"], states(cpf, "note")["review"]) == ("✓ completed", "‖ waiting")
    for said, visits in (("no", "‖ waiting ×2"), ("yes", "✓ completed ×2")):
        cpf("resume", "--run-id", "note", "--event", "review", "--input", json.dumps(said))
        assert states(cpf, "note")["review"] == visits


@pytest.mark.parametrize("form", ["svg", "html", "text"])
def test_states_are_in_every_format(cpf: Program, rollout: str, form: str) -> None:
    text = cpf.here("graph", "--run-id", rollout, "--format", form).stdout
    if form == "svg":
        text = "\n".join(texts_of(read_svg(text)))
    if form == "html":
        text = "\n".join(Page(text).articles)
    for words in ("✗ failed", "↷ skipped", "✓ completed ×4", "‖ waiting 0/3", "✓ completed 3/3", "· not reached"):
        assert words in text


def test_a_failed_run_shows_where_and_a_retry_what_became_of_it(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    cpf.here("run", "-f", "failing.yaml", "--run-id", "failing-1")
    assert states(cpf, "failing-1") == {"first": "✓ completed", "bad": "✗ failed", "last": "· not reached"}
    cpf.write("mended", "")
    cpf.here("retry", "--run-id", "failing-1")
    assert states(cpf, "failing-1") == {"first": "✓ completed", "bad": "✓ completed", "last": "✓ completed"}


def test_an_end_that_fails_the_run_is_shown_as_failed(cpf: Program) -> None:
    cpf.write("f.yaml", FAILING.replace("result: fine", "fail: no good").replace("test -e mended", "true"))
    cpf.here("run", "-f", "f.yaml", "--run-id", "failing-2")
    assert states(cpf, "failing-2")["last"] == "✗ failed"


def test_a_cancelled_wait_is_told(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    cpf.here("cancel", "--run-id", "gate-1", "--reason", "no need")
    assert states(cpf, "gate-1")["ask"] == "⊘ cancelled"


def test_a_deadline_that_leads_on_is_no_failure(cpf: Program) -> None:
    late = "timeout_seconds: 0.001\n      on_timeout: {outputs: {decision: reject}}\n      risk_level"
    cpf.write("late.yaml", GATE.replace("risk_level", late))
    cpf.here("run", "-f", "late.yaml", "--run-id", "gate-2")
    assert cpf.here("resume", "--run-id", "gate-2").envelope["result"] == "reject"
    assert states(cpf, "gate-2")["ask"] == "✓ completed"


def test_without_a_file_the_text_that_the_run_goes_by_is_shown(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    cpf.write("edited.yaml", GATE.replace("id: last", "id: final"))
    assert cpf.here("resume", "--run-id", "gate-1", "--with", "edited.yaml").exit_code == 40
    shown = cpf.here("graph", "--run-id", "gate-1", "--format", "text").stdout
    assert ("final" in shown, "last" in shown) == (True, False)


def test_the_documents_text_may_have_changed_since(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    words = ("graph", "-f", "gate.yaml", "--run-id", "gate-1")
    assert "another text" not in cpf.here(*words).stdout
    assert "warnings" not in cpf.here(*words, "-o", "a.svg").envelope
    cpf.write("gate.yaml", GATE.replace("id: last", "id: final"))
    edited = cpf.here(*words, "--format", "text").stdout
    assert "another text" in edited
    assert "final" in edited
    (warning,) = cpf.here(*words, "-o", "a.svg").envelope["warnings"]
    assert "another text" in warning
    assert "last" in cpf.here("graph", "--run-id", "gate-1").stdout
    (cpf.cwd / "gate.yaml").unlink()
    envelope = cpf.here("graph", "--run-id", "gate-1", "-o", "b.svg").envelope
    assert (envelope["run_id"], envelope["status"], envelope["exit_code"]) == ("gate-1", "waiting", 0)


def test_a_run_of_another_workflow_is_refused(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.write("sleeping.yaml", SLEEPING)
    cpf.here("run", "-f", "gate.yaml", "--run-id", "gate-1")
    refused = cpf.here("graph", "-f", "sleeping.yaml", "--run-id", "gate-1").envelope
    assert (refused["exit_code"], refused["error"]["code"]) == (10, "ERR_USAGE")
    assert cpf.here("graph", "--run-id", "nobody").envelope["error"]["code"] == "ERR_RUN_NOT_FOUND"


def test_a_step_in_doubt_is_told(cpf: Program) -> None:
    once = "schema_version: checkpointflow/v1\nworkflow:\n  id: once\n  inputs: {type: object}\n  steps:\n"
    cpf.write("once.yaml", once + "    - {id: send, kind: cli, effect: once, command: 'kill -9 $PPID'}\n")
    cpf("run", "-f", "once.yaml", "--run-id", "once-1")
    assert states(cpf, "once-1") == {"send": "! interrupted"}
    assert cpf.here("resume", "--run-id", "once-1").envelope["wait"]["kind"] == "in_doubt"
    assert states(cpf, "once-1") == {"send": "? in doubt"}
