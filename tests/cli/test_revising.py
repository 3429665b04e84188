"""A run goes on under an edited document, or from before a step, or in a new run; nothing is performed unannounced."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest
import yaml

from checkpointflow.client import Client
from checkpointflow.config import Settings
from checkpointflow.kernel.ids import RunId
from cli.program import Answer, Program

HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: edit\n  inputs: {type: object}\n  steps:\n"
ASK = "{kind: await_event, event_name: go, audience: user, input_schema: {type: object}, "


def mark(step: str, text: str | None = None, **more: object) -> str:
    """Return a step that leaves a line behind each time that it is performed."""
    fields = "".join(f", {name}: {json.dumps(value)}" for name, value in more.items())
    return f'- {{id: {step}, kind: cli, command: "echo {text or step} >> marks"{fields}}}'


def ask(step: str = "ask") -> str:
    return f"- {ASK}id: {step}}}"


def steps(*lines: str) -> str:
    return HEAD + "\n".join(f"    {line}" for text in lines for line in text.splitlines()) + "\n"


class Place:
    """A folder in which marks are left."""

    def __init__(self, cpf: Program) -> None:
        self.cpf = cpf

    def run(self, *lines: str, name: str = "a.yaml", run: str = "edit-1") -> Answer:
        self.cpf.write(name, steps(*lines))
        return self.cpf.here("run", "-f", name, "--run-id", run)

    def edit(self, *lines: str) -> None:
        self.cpf.write("b.yaml", steps(*lines))

    def again(self, *words: str, command: str = "resume", run: str = "edit-1") -> Answer:
        return self.cpf.here(command, "--run-id", run, *words)

    def marks(self) -> list[str]:
        path = Path(self.cpf.cwd) / "marks"
        found = path.read_text().split() if path.exists() else []
        path.unlink(missing_ok=True)
        return found


@pytest.fixture
def place(cpf: Program) -> Place:
    return Place(cpf)


def test_a_run_goes_on_under_an_edited_document_and_keeps_what_was_recorded(place: Place) -> None:
    place.run(mark("one"), ask(), mark("two"))
    place.edit(mark("one"), mark("extra"), ask(), mark("two"), mark("three"))
    answer = place.again("--with", "b.yaml")
    assert answer.exit_code == 40
    assert answer.envelope["changes"] == {
        "reused": ["one"], "rerun": [], "new": ["extra", "three"], "gone": [], "later": ["ask"], "reopened": [],
    }  # fmt: skip
    assert place.marks() == ["one", "extra"]
    assert place.again("--event", "go").exit_code == 0
    assert place.marks() == ["two", "three"]


def test_a_dry_run_tells_all_of_it_and_changes_nothing(place: Place) -> None:
    place.run(mark("one"), mark("two"), mark("old"), ask())
    place.edit(mark("one"), mark("two", "zwei"), mark("fresh"), ask())
    before = place.again(command="inspect").envelope["result"]["entries"]
    place.marks()
    answer = place.again("--with", "b.yaml", "--rerun", "two", "--dry-run")
    assert answer.exit_code == 0
    assert answer.envelope["changes"] == {
        "reused": ["one"], "rerun": ["two", "ask"], "new": ["fresh"], "gone": ["old"], "later": [], "reopened": [],
    }  # fmt: skip
    assert answer.envelope["next_actions"][0]["argv"][-4:] == ["--with", "b.yaml", "--rerun", "two"]
    assert place.again(command="inspect").envelope["result"]["entries"] == before
    assert place.marks() == []


@pytest.mark.parametrize("dry", [(), ("--dry-run",)])
def test_a_recorded_step_that_means_something_else_is_refused_by_name_before_anything_is_performed(
    place: Place, dry: tuple[str, ...]
) -> None:
    place.run(mark("one"), mark("two"), ask())
    place.edit(mark("first"), mark("one", "eins"), mark("two", "zwei"), ask())
    place.marks()
    answer = place.again("--with", "b.yaml", *dry)
    assert answer.exit_code == 20
    error = answer.envelope["error"]
    assert error["code"] == "ERR_DEFINITION_CHANGED"
    assert [one["step_key"] for one in error["details"]["changed"]] == ["one", "two"]
    again = answer.envelope["next_actions"][0]["argv"]
    assert again == ["cpf", "resume", "--rerun", "one", "--run-id", "edit-1", "--with", "b.yaml", *dry]
    assert error["hint"] == f"`{shlex.join(again)}`"
    assert answer.envelope["status"] == "waiting"
    assert place.marks() == []
    assert place.again("--with", "b.yaml", "--rerun", "one").exit_code == 40
    assert place.marks() == ["first", "eins", "zwei"]


def test_what_is_no_part_of_a_steps_meaning_may_change(place: Place) -> None:
    place.run(mark("one"), ask())
    place.edit(mark("one", timeout_seconds=9, retry={"max_attempts": 3}, name="The first"), ask())
    assert place.again("--with", "b.yaml").exit_code == 40
    assert place.marks() == ["one"]


def test_a_step_that_runs_once_has_to_be_named_to_run_again(place: Place) -> None:
    place.run(mark("one"), mark("pay", effect="once"), ask())
    answer = place.again("--rerun", "one")
    assert (answer.exit_code, answer.envelope["error"]["code"]) == (20, "ERR_STEP_ONCE")
    assert answer.envelope["error"]["hint"] == "`cpf resume --rerun pay --run-id edit-1 --rerun one`"
    assert place.again("--rerun", "one", "--rerun", "pay").exit_code == 40
    assert place.marks() == ["one", "pay", "one", "pay"]


def test_a_failed_run_is_mended_and_goes_on(place: Place) -> None:
    place.run(mark("one"), "- {id: two, kind: cli, command: 'exit 3'}", mark("three"))
    place.edit(mark("one"), mark("two"), mark("three"))
    assert place.again("--with", "b.yaml").exit_code == 20  # it is `retry` that opens a failed run
    answer = place.again("--with", "b.yaml", command="retry")
    assert answer.exit_code == 0
    assert answer.envelope["changes"]["rerun"] == ["two"]
    assert place.marks() == ["one", "two", "three"]


def test_a_later_visit_of_a_loop_can_be_gone_back_to(place: Place) -> None:
    loop = (mark("draft"), ask("review"), "- {id: again, kind: switch, cases: "
            "[{when: 'steps.review.outputs.ok == true', next: done}], default: draft}", mark("done"))  # fmt: skip
    place.run(*loop)
    place.again("--event", "go", "--input", '{"ok": false}')
    place.marks()
    answer = place.again("--rerun", "draft#2")
    assert answer.envelope["changes"]["rerun"] == ["draft#2", "review#2"]
    assert place.marks() == ["draft"]
    assert place.again("--event", "go", "--input", '{"ok": true}').exit_code == 0


def test_the_id_of_several_visits_in_different_places_is_refused_with_their_keys(place: Place) -> None:
    place.run("- {id: each, kind: foreach, items: '[1, 2]', body: [{id: s, kind: cli, command: 'true'}]}", ask())
    answer = place.again("--rerun", "s")
    assert answer.exit_code == 10
    assert "`each[0]/s`, `each[1]/s`" in answer.envelope["error"]["message"]
    assert "has no step `never`" in place.again("--rerun", "never").envelope["error"]["message"]


@pytest.mark.parametrize(("key", "scope"), [("", "each[1]"), ("item_key: '${item}',", 'each["b"]')])
def test_one_iteration_runs_again_and_the_others_do_not(place: Place, key: str, scope: str) -> None:
    body = (
        "body: [{id: s, kind: cli, command: 'echo ${item} >> marks'}, {id: t, kind: cli, command: 'echo t >> marks'}]"
    )
    place.run(f'- {{id: each, kind: foreach, items: \'["a", "b"]\', {key} {body}}}', mark("after"), ask())
    assert place.marks() == ["a", "t", "b", "t", "after"]
    answer = place.again("--rerun", f"{scope}/s")
    assert answer.envelope["changes"]["rerun"] == [f"{scope}/s", f"{scope}/t", "after", "ask"]
    assert place.marks() == ["b", "t", "after"]


def test_an_iteration_of_a_failed_run_runs_again_and_what_was_before_does_not(place: Place) -> None:
    body = (
        "body: [{id: s, kind: cli, command: 'echo ${item} >> marks'}, {id: t, kind: cli, command: 'test ${item} = a'}]"
    )
    items = 'items: \'["a", "b"]\', item_key: "${item}"'
    place.run(mark("before"), f"- {{id: each, kind: foreach, {items}, {body}}}", mark("after"))
    assert place.marks() == ["before", "a", "b"]
    place.edit(mark("before"), f"- {{id: each, kind: foreach, {items}, {body.replace('test', 'echo')}}}", mark("after"))
    words = ("--with", "b.yaml", "--rerun", 'each["b"]/s', "--rerun", 'each["a"]/t')
    planned = place.again(*words, "--dry-run", command="retry").envelope["changes"]
    assert set(planned["rerun"]) == {'each["b"]/t', 'each["b"]/s', 'each["a"]/t'}
    assert place.again(*words, command="retry").exit_code == 0
    assert place.marks() == ["b", "after"]


def test_one_branch_runs_again_and_the_others_do_not(place: Place) -> None:
    branches = "".join(
        f"\n    - id: {name}\n      steps: [{{id: {name}1, kind: cli, command: 'echo {name} >> marks'}}]"
        for name in "ab"
    )
    place.run(f"- id: fan\n  kind: parallel\n  branches:{branches}", mark("after"), ask())
    assert sorted(place.marks()) == ["a", "after", "b"]
    place.again("--rerun", "b1")
    assert place.marks() == ["b", "after"]


def test_a_step_of_a_sub_workflow_runs_again_with_what_follows_around_it(place: Place) -> None:
    place.cpf.write("inner.yaml", steps(mark("in1"), mark("in2")).replace("id: edit", "id: inner"))
    place.run("- {id: sub, kind: workflow, workflow_ref: inner.yaml}", mark("after"), ask())
    assert place.marks() == ["in1", "in2", "after"]
    answer = place.again("--rerun", "in2")
    assert answer.envelope["changes"] == {
        "reused": ["sub/in1"], "rerun": ["sub/in2", "after", "ask"], "new": [], "gone": [], "later": [], "reopened": [],
    }  # fmt: skip
    assert place.marks() == ["in2", "after"]


@pytest.mark.parametrize("text", ["id: other", "properties: {n: {type: integer}}, required: [n]"])
def test_a_document_that_is_none_for_the_run_is_refused(place: Place, text: str) -> None:
    place.run(mark("one"), ask())
    edited = steps(mark("one"), ask())
    edited = (
        edited.replace("id: edit", text)
        if "other" in text
        else edited.replace("type: object}\n", f"type: object, {text}}}\n")
    )
    place.cpf.write("b.yaml", edited)
    answer = place.again("--with", "b.yaml")
    assert answer.exit_code == 10
    assert answer.envelope["status"] == "waiting"


def test_defaults_that_the_run_was_started_without_are_refused_with_the_remedy(place: Place) -> None:
    place.run(mark("one"), ask())
    place.cpf.write(
        "b.yaml",
        steps(mark("one"), ask()).replace("{type: object}", "{type: object, properties: {n: {default: 1}}}", 1),
    )
    answer = place.again("--with", "b.yaml")
    assert (answer.exit_code, answer.envelope["error"]["code"]) == (10, "ERR_VALIDATION_INPUT")
    assert "default(inputs.NAME" in answer.envelope["error"]["message"]


def test_a_run_that_waits_for_a_message_to_be_taken_up_is_revised_after_that(place: Place) -> None:
    place.run(mark("one"), ask(), mark("two"))
    place.again("--event", "go", "--input", "{}", command="send")
    answer = place.again("--rerun", "one")
    assert (answer.exit_code, answer.envelope["error"]["code"]) == (70, "ERR_CONCURRENCY")
    assert place.again().exit_code == 0


def test_a_crash_between_the_revision_and_what_follows_loses_nothing(place: Place) -> None:
    place.run(mark("one"), mark("two"), ask())
    place.edit(mark("one"), mark("two", "zwei"), ask())
    assert place.again("--with", "b.yaml", "--rerun", "two", "--no-follow").envelope["status"] == "interrupted"
    place.marks()
    assert place.again().exit_code == 40
    assert place.marks() == ["zwei"]


def test_the_original_file_does_not_matter_any_more_after_a_revision(place: Place) -> None:
    place.run(mark("one"), ask(), mark("two"))
    place.edit(mark("one"), ask(), mark("zwei"))
    place.again("--with", "b.yaml")
    for name in ("a.yaml", "b.yaml"):
        (Path(place.cpf.cwd) / name).unlink()
    assert place.again("--event", "go").exit_code == 0
    assert place.marks() == ["one", "zwei"]


# -- forks -----------------------------------------------------------------------------------------


def test_a_fork_shares_the_beginning_and_leaves_the_other_run_as_it_is(place: Place) -> None:
    place.run(mark("one"), mark("two"), mark("three"))
    before = place.again(command="inspect").envelope["result"]["entries"]
    place.marks()
    answer = place.again("--at", "two", "--new-run-id", "edit-2", "--label", "why=test", command="fork")
    envelope = answer.envelope
    assert (answer.exit_code, envelope["run_id"], envelope["forked_from"]) == (0, "edit-2", "edit-1")
    assert envelope["labels"] == {"why": "test"}
    assert place.marks() == ["two", "three"]
    assert place.again(command="inspect").envelope["result"]["entries"] == before
    history = place.again(command="inspect", run="edit-2").envelope["result"]
    assert history["entries"][0]["origin"] == {"run": "edit-1", "position": 4}
    assert history["step_results"][0]["stdout_path"].endswith("edit-2/stdout/one.1.txt")


def test_a_fork_may_go_on_under_an_edited_document(place: Place) -> None:
    place.run(mark("one"), mark("two"))
    place.edit(mark("one"), mark("zwei"))
    place.marks()
    assert place.again("--at", "two", "--with", "b.yaml", command="fork").exit_code == 0
    assert place.marks() == ["zwei"]
    place.edit(mark("eins"), mark("one", "changed"), mark("two"))
    answer = place.again("--at", "two", "--with", "b.yaml", command="fork")
    assert (answer.exit_code, answer.envelope["error"]["code"]) == (20, "ERR_DEFINITION_CHANGED")
    assert place.marks() == []


def test_the_id_of_a_fork_has_to_be_free(place: Place) -> None:
    place.run(mark("one"), mark("two"))
    answer = place.again("--at", "two", "--new-run-id", "edit-1", command="fork")
    assert (answer.exit_code, answer.envelope["error"]["code"]) == (70, "ERR_RUN_EXISTS")


def test_a_fork_outlives_the_run_from_which_it_came(place: Place) -> None:
    place.run(mark("one"), "- {id: big, kind: set, values: {text: '%s'}}" % ("x" * 70_000), ask(), mark("two"))
    assert place.again("--at", "ask", "--new-run-id", "edit-2", command="fork").exit_code == 40
    place.again("--reason", "no", command="cancel")
    place.again(command="delete")
    assert place.again("--event", "go", run="edit-2").exit_code == 0


def test_runs_from_elsewhere_can_be_read_by_python_too(place: Place, tmp_path: Path) -> None:
    place.run(mark("one"), ask())
    settings = Settings(
        home=place.cpf.home, cwd=str(tmp_path), actor="ann", host="here", durability="process", environment={}
    )
    with Client(settings) as client:
        changes = client.rehearse("edit-1", rerun=["one"])
        assert (changes.rerun, changes.reused) == (("one", "ask"), ())
        assert client._store.head(RunId("edit-1")).status == "waiting"


# -- open waits that are asked otherwise -----------------------------------------------------------

PLAIN = "input_schema: {type: object}"


def gate(text: str, step: str = "ask") -> str:
    return f"- {{id: {step}, kind: await_event, {text}}}"


OTHERWISE = {
    "schema": "event_name: go, audience: user, prompt: Go on, input_schema: {type: object, required: [why]}",
    "prompt": f"event_name: go, audience: user, prompt: 'Really, go?', {PLAIN}",
    "audience": f"event_name: go, audience: agent, prompt: Go on, {PLAIN}",
    "deadline": f"event_name: go, audience: user, prompt: Go on, timeout_seconds: 60, {PLAIN}",
    "event": f"event_name: proceed, audience: user, prompt: Go on, {PLAIN}",
}


@pytest.mark.parametrize("text", OTHERWISE.values(), ids=OTHERWISE)
@pytest.mark.parametrize("first", [(), (mark("extra"),)], ids=["reached", "behind something new"])
def test_an_open_wait_that_the_edited_document_asks_otherwise_is_opened_anew(
    place: Place, text: str, first: tuple[str, ...]
) -> None:
    place.run(mark("one"), gate(f"event_name: go, audience: user, prompt: Go on, {PLAIN}"))
    place.edit(mark("one"), *first, gate(text))
    shown = place.again("--with", "b.yaml", "--dry-run")
    assert shown.envelope["changes"]["reopened"] == ["ask"]
    assert "ask" not in shown.envelope["changes"]["new"] + shown.envelope["changes"]["later"]
    answer = place.again("--with", "b.yaml")
    wait = answer.envelope["wait"]
    assert (answer.exit_code, wait["wait_id"]) == (40, "w2")
    step = yaml.safe_load("{" + text + "}")
    assert [wait[name] for name in ("event_name", "audience", "prompt", "input_schema")] == [
        step[name] for name in ("event_name", "audience", "prompt", "input_schema")
    ]
    assert (wait["due_at"] is None) == ("timeout_seconds" not in step)
    old = place.again("--wait", "w1", "--input", '{"why": 1}')
    assert (old.exit_code, old.envelope["error"]["code"]) == (20, "ERR_RUN_NOT_WAITING")
    assert "asks otherwise" in old.envelope["error"]["message"]
    assert place.again("--wait", "w2", "--input", '{"why": 1}').exit_code == 0
    assert place.marks() == ["one", *(["extra"] if first else [])]


def test_an_open_wait_that_is_asked_the_same_stays_open(place: Place) -> None:
    text = f"event_name: go, audience: user, prompt: Go on, timeout_seconds: 1e15, {PLAIN}"
    place.run(gate(text))
    place.edit(gate(text), mark("two"))
    answer = place.again("--with", "b.yaml")
    assert (answer.envelope["changes"]["reopened"], answer.envelope["wait"]["wait_id"]) == ([], "w1")


def test_an_accepted_answer_stays_when_the_edited_document_asks_otherwise(place: Place) -> None:
    place.run(gate(f"event_name: go, audience: user, prompt: Go on, {PLAIN}"))
    assert place.cpf.here("send", "--run-id", "edit-1", "--event", "go").exit_code == 0
    place.edit(gate(f"event_name: go, audience: user, prompt: 'Really, go?', {PLAIN}"), mark("two"))
    answer = place.again("--with", "b.yaml")
    assert (answer.exit_code, answer.envelope["changes"]["reopened"]) == (0, [])
    assert place.marks() == ["two"]


def test_a_fork_asks_as_its_document_does_in_waits_that_were_open_beside(place: Place) -> None:
    ask = "{id: x, kind: await_event, event_name: go, audience: user, input_schema: {type: object}, prompt: %s}"
    fan = "- {id: fan, kind: parallel, branches: [{id: a, steps: [%s]}, {id: b, steps: [%s]}]}"
    place.run(fan % (ask % "One", mark("y")[2:]))
    place.edit(fan % (ask % "Two", mark("y")[2:]))
    answer = place.cpf.here("fork", "--run-id", "edit-1", "--at", 'fan["b"]/y', "--with", "b.yaml")
    assert [wait["prompt"] for wait in answer.envelope["waits"]] == ["Two"]


# -- what was done as it was asked -----------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        ("resume", "--run-id", "edit-1", "--rerun", "one"),
        ("retry", "--run-id", "edit-1"),
        ("retry", "--run-id", "edit-1", "--rerun", "one"),
        ("fork", "--run-id", "edit-1", "--at", "one", "--new-run-id", "edit-2"),
    ],
    ids=" ".join,
)
def test_what_was_done_without_following_went_well_and_has_no_error(place: Place, words: tuple[str, ...]) -> None:
    place.run(mark("one"), *([ask()] if words[0] == "resume" else ['- {id: bad, kind: cli, command: "false"}']))
    answer = place.cpf.here(*words, "--no-follow")
    assert (answer.exit_code, answer.envelope["ok"], answer.envelope["status"]) == (0, True, "interrupted")
    assert "error" not in answer.envelope
    run = answer.envelope["run_id"]
    for shown in ("status", "inspect"):
        asked = place.cpf.here(shown, "--run-id", run, "--exit-zero").envelope
        assert (asked["ok"], asked["status"], "error" in asked) == (True, "interrupted", False)
    plain = place.cpf.here("status", "--run-id", run)
    assert (plain.exit_code, plain.envelope["ok"]) == (20, False)
    assert plain.envelope["error"]["code"] == "ERR_RUN_INTERRUPTED"


def test_all_changed_steps_that_have_to_be_named_are_named_at_once(place: Place) -> None:
    fan = "- {id: fan, kind: parallel, branches: [{id: a, steps: [%s, %s]}, {id: b, steps: [%s]}]}"
    place.run(fan % (mark("x")[2:], mark("y")[2:], mark("-z")[2:]), ask())
    place.edit(fan % (mark("x", "1")[2:], mark("y", "2")[2:], mark("-z", "3")[2:]), ask())
    place.marks()
    refused = place.again("--with", "b.yaml")
    argv = refused.envelope["next_actions"][0]["argv"]
    assert argv[2:6] == ["--rerun", 'fan["a"]/x', "--rerun", 'fan["b"]/-z']
    assert place.cpf.here(*argv[1:]).exit_code == 40
    assert sorted(place.marks()) == ["1", "2", "3"]


def test_the_command_of_a_refusal_can_be_said_as_it_is_printed_also_of_a_step_with_a_dash(place: Place) -> None:
    place.run(mark("-z"), ask())
    place.edit(mark("-z", "other"), ask())
    argv = place.again("--with", "b.yaml").envelope["next_actions"][0]["argv"]
    assert "--rerun=-z" in argv
    assert place.cpf.here(*argv[1:]).exit_code == 40
    assert place.cpf.here("logs", "--run-id", "edit-1", "--", "-z").exit_code == 0


def test_a_loop_without_end_is_mended_in_the_document_and_not_tried_again_as_it_is(place: Place) -> None:
    failed = place.run(mark("one", next="one"))
    assert (failed.exit_code, failed.envelope["error"]["code"]) == (20, "ERR_VISIT_LIMIT")
    commands = [one["argv"][1:] for one in failed.envelope["next_actions"]]
    assert ["retry", "--run-id", "edit-1"] not in commands
    assert commands[1][:3] == ["retry", "--run-id", "edit-1"]
    assert commands[1][3] == "--with"
    assert "cpf retry --with" in failed.envelope["error"]["hint"]


def test_a_step_that_no_document_of_the_run_has_is_told_apart_from_one_that_it_has_not_come_to(place: Place) -> None:
    place.run(mark("one"), ask(), mark("after"))
    for step, says, hint in (
        ("aftr", "has no step `aftr`", "did you mean `after`?"),
        ("after", "has not come to", None),
    ):
        error = place.cpf.here("fork", "--run-id", "edit-1", "--at", step).envelope["error"]
        assert says in error["message"]
        assert error.get("hint") == hint


def test_a_revision_of_a_failed_run_is_led_to_the_same_words_of_retry(place: Place) -> None:
    place.run(mark("one"), '- {id: two, kind: cli, command: "exit 1"}')
    refused = place.again("--rerun", "one").envelope
    wanted = ["cpf", "retry", "--run-id", "edit-1", "--rerun", "one"]
    assert refused["error"]["hint"] == f"`{shlex.join(wanted)}`"
    assert refused["next_actions"][0]["argv"] == wanted
    place.marks()
    assert place.cpf.here(*wanted[1:]).envelope["status"] == "failed"
    assert place.marks() == ["one"]


CODE = """\
from checkpointflow import WorkflowContext, workflow


@workflow
async def flow(ctx: WorkflowContext) -> str:
    text = await ctx.step("one", lambda text: text, "old")
    return text + await ctx.wait_for_event("go")
"""


def test_code_that_asks_otherwise_than_was_recorded_is_first_told_the_command_that_helps(cpf: Program) -> None:
    cpf.write("flow.py", CODE)
    assert cpf("run", "-f", "flow.py:flow", "--run-id", "run-1").exit_code == 40
    cpf.write("flow.py", CODE.replace('"old"', '"another"'))  # of another length: Python tells files apart by that
    refused = cpf("resume", "--run-id", "run-1", "--event", "go", "--input", '"!"').envelope
    assert refused["error"]["code"] == "ERR_NONDETERMINISM"
    first = refused["next_actions"][0]["argv"]
    assert first == ["cpf", "resume", "--run-id", "run-1", "--rerun", "one"]
    mended = cpf(*first[1:]).envelope
    assert mended.get("error") is None, mended
