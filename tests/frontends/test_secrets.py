"""Secrets in documents: where they may stand, what stands for them, and that nothing else is ever taken for one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from checkpointflow.errors import DocumentError
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.values import JsonObject, dump
from frontends.running import GATE, Running, document

HEAD = "secrets: {token: {env: TOKEN}, key: {file: key.txt}}"
USED = "\n- {id: used, kind: cli, command: 'true', env: {A: '${secrets.token}', B: '${secrets.key}'}}"
INNER = document("- {id: a, kind: cli, command: echo hi}")
SECRET, KEY = "open-sesame", "key-of-the-door"


def problems(steps: str, head: str = HEAD, folder: Path = Path("/")) -> list[JsonObject]:
    try:
        return load_text(document(steps, head=head), source_path=None, cwd=folder).problems
    except DocumentError as error:
        return error.problems


def one_problem(steps: str, head: str = HEAD, folder: Path = Path("/")) -> JsonObject:
    (problem,) = [one for one in problems(steps, head, folder) if one["severity"] == "error"]
    return problem


# -- where they may stand --------------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        "kind: cli, command: 'printf %s ${secrets.token} | wc -c'",
        "kind: cli, command: ['echo ${secrets.token}', 'echo \"a ${secrets.token} b\"']",
        'kind: cli, command: "cat <<END\\n${secrets.token}\\nEND\\n"',
        "kind: cli, command: 'env | wc -l', env: {T: 'Bearer ${ secrets.token }!${inputs.x}${secrets.token}'}",
        "kind: cli, command: cat, stdin: '${secrets.token}'",
        "kind: cli, argv: [cat], stdin: {a: [{b: '${secrets.token}'}]}",
        "kind: python, call: 'm:f', args: {a: [{b: 'x${secrets.token}'}]}",
    ],
)
def test_secrets_may_stand_where_an_effect_takes_them(fields: str) -> None:
    found = [problem for problem in problems(f"- {{id: a, {fields}}}{USED}") if "not kept with" not in str(problem)]
    assert found == []


@pytest.mark.parametrize(
    ("step", "hint"),
    [
        ("kind: cli, argv: [echo, '${secrets.token}']", "process list for everybody to read; hand it over in `env`"),
        (
            "kind: cli, command: 'true', cwd: '${secrets.token}'",
            "places for secrets: `command`, `env`, `stdin` of `cli`",
        ),
        ("kind: cli, command: 'true', if: 'secrets.token == \"x\"'", "`${secrets.NAME}` alone"),
        ("kind: cli, command: 'true', if: '${secrets.token}'", "places for secrets"),
        ("kind: set, values: {t: '${secrets.token}'}", "`args` of `python`"),
        ("kind: end, result: {t: ['x ${secrets.token}']}", "places for secrets"),
        ("kind: end, fail: 'no ${secrets.token}'", "places for secrets"),
        ("kind: sleep, seconds: '${secrets.token}'", "places for secrets"),
        ("kind: await_event, audience: user, event_name: e, input_schema: {}, prompt: '${secrets.token}'", "places"),
        ("kind: await_event, audience: user, event_name: e, input_schema: {}, summary: '${secrets.token}'", "places"),
        ("kind: switch, cases: [{when: 'secrets.token == \"a\"', next: used}]", "alone"),
        ("kind: foreach, items: '[secrets.token]', body: [{id: b, kind: end}]", "alone"),
        ("kind: foreach, items: 'secrets.token', body: [{id: b, kind: end}]", "places for secrets"),
        ("kind: workflow, workflow_ref: inner.yaml, inputs: {t: '${secrets.token}'}", "the other workflow declares"),
        ("kind: cli, command: 'echo ${secrets.token + \"x\"}'", "alone, or as a part of a text"),
        ("kind: cli, command: 'true', env: {A: '${size(secrets.token)}'}", "alone, or as a part of a text"),
        ("kind: cli, command: 'true', env: {A: '${json(secrets)}'}", "alone, or as a part of a text"),
        ("kind: cli, command: 'true', env: {A: '${secrets.tokn}'}", "Did you mean `token`?"),
        ("kind: cli, command: 'true', env: {A: '${secrets[inputs.x]}'}", "alone, or as a part of a text"),
    ],
)
def test_secrets_are_refused_elsewhere_with_a_hint(tmp_path: Path, step: str, hint: str) -> None:
    (tmp_path / "inner.yaml").write_text(INNER)
    problem = one_problem(f"- {{id: a, {step}}}{USED}", folder=tmp_path)
    assert hint in str(problem["hint"])
    assert problem["path"].startswith("workflow.steps[0].")  # type: ignore[union-attr]


@pytest.mark.parametrize(
    "head",
    [
        HEAD + "\ndefaults: {cwd: '${secrets.token}'}",
        HEAD + "\noutputs: {properties: {t: {from: secrets.token}}}",
    ],
)
def test_secrets_are_refused_in_the_header(head: str) -> None:
    assert "may not stand here" in str(one_problem(USED, head)["message"])


def test_secrets_may_stand_in_the_environment_of_every_command() -> None:
    head = HEAD + "\ndefaults: {env: {A: '${secrets.token}', B: '${secrets.key}'}}"
    assert problems("- {id: a, kind: cli, command: 'true'}", head) == []


def test_a_secret_that_is_not_declared_is_refused_with_how_to_declare_it() -> None:
    problem = one_problem("- {id: a, kind: cli, command: 'echo ${secrets.token}'}", head="")
    assert problem["hint"] == "declare it below `workflow`: `secrets: {NAME: {env: VARIABLE}}`"


@pytest.mark.parametrize(
    ("secrets", "says"),
    [
        ("{token: {}}", "needs either `env` or `file`"),
        ("{token: {env: A, file: b}}", "has `env` and `file`, which exclude each other"),
        ("{token: ABC}", "object"),
        ("{token: {env: ''}}", "name of a variable"),
        ("{token: {env: 'A=B'}}", "name of a variable"),
        ("{token: {file: ''}}", "file"),
        ("{token: {value: abc}}", "unknown field `value`"),
        ("{to-ken: {env: A}}", "a name of letters, digits and `_`"),
        ("{token: {env: '${inputs.x}'}}", "no expression may stand here"),
        ("[token]", "object"),
    ],
)
def test_a_declaration_that_says_nothing_is_refused(secrets: str, says: str) -> None:
    found = problems("- {id: a, kind: end}", head=f"secrets: {secrets}")
    assert says in dump([problem for problem in found if problem["severity"] == "error"])  # type: ignore[arg-type]


def test_warnings_name_secrets_that_nobody_uses_and_those_that_a_process_list_shows() -> None:
    steps = """
- {id: a, kind: cli, command: 'echo ${secrets.token}; X=${secrets.token} curl -H "A: ${secrets.token}" http://x'}
- {id: b, kind: cli, command: 'command -p tool ${secrets.token}; exec ./a/tool ${secrets.token}'}"""
    found = [(problem["line"], problem["message"]) for problem in problems(steps)]
    fact = "and the process list shows arguments"
    assert found == [
        (5, "the secret `key` is never used, and runs are refused where it is missing"),
        (7, f"`${{secrets.token}}` becomes an argument of `curl`, {fact}"),
        (8, f"`${{secrets.token}}` becomes an argument of `tool`, {fact}"),
        (8, f"`${{secrets.token}}` becomes an argument of `./a/tool`, {fact}"),
    ]


def test_documents_without_secrets_may_use_the_word(tmp_path: Path) -> None:
    steps = "- {id: a, kind: end, result: '${inputs.x == secrets}'}"
    assert Running(tmp_path, document(steps), {"x": "secrets"}).drive().result is True


# -- what stands for them --------------------------------------------------------------------------


class Held(Running):
    """A run of a document with secrets, on a machine that has them unless they are taken away."""

    def __init__(self, folder: Path, steps: str, run_input: Any = None, **more: Any) -> None:
        super().__init__(folder, document(steps, head=HEAD), run_input, **more)
        (self.folder / "key.txt").write_text(KEY)
        self.environment["TOKEN"] = SECRET

    @property
    def environment(self) -> dict[str, str]:
        return self._settings.environment  # type: ignore[return-value]


ECHO = """
- {id: a, kind: cli, command: 'printf "%s|" "$T" "$U" ${secrets.key} ${inputs.x} >&2; cat >&2',
   env: {T: 'Bearer ${secrets.token}', U: '${inputs.x}'},
   stdin: [{t: '${secrets.token}'}, '${inputs.x}', '$${secrets.token}']}
"""


def test_values_that_look_like_placeholders_stay_what_they_are(tmp_path: Path) -> None:
    x = "${secrets.token}"
    held = Held(tmp_path, ECHO.replace(">&2", "") + "- {id: e, kind: end, result: '${steps.a.stdout}'}", {"x": x})
    assert held.drive().result == f'Bearer ***|{x}|***|{x}|[{{"t":"***"}},"{x}","{x}"]'


def test_calls_and_journals_hold_placeholders(tmp_path: Path) -> None:
    held = Held(tmp_path, ECHO, {"x": "${secrets.key}"}).drive()
    (started,) = held.entries("step_started")
    arguments = started["arguments"]
    assert isinstance(arguments, dict)
    assert arguments["env"] == {"T": "Bearer ${secrets.token}", "U": "${secrets.key}"}
    assert arguments["secrets"] == [
        {"at": ["values", "CPF_VALUE_1"], "offset": 0, "name": "key"},
        {"at": ["env", "T"], "offset": 7, "name": "token"},
        {"at": ["stdin", 0, "t"], "offset": 0, "name": "token"},
    ]
    for entry in held.journal:
        assert SECRET not in repr(entry)
        assert KEY not in repr(entry)


def test_a_call_without_secrets_lists_none(tmp_path: Path) -> None:
    held = Held(tmp_path, "- {id: a, kind: cli, command: 'echo ${inputs.x}'}" + USED, {"x": "${secrets.token}"}).drive()
    (first, _) = held.entries("step_started")
    assert "secrets" not in first["arguments"]  # type: ignore[operator]


def test_a_secret_may_change_while_a_run_waits(tmp_path: Path) -> None:
    check = "- {id: %s, kind: cli, command: 'test \"$T\" = %s', env: {T: '${secrets.token}'}}\n"
    steps = check % ("a", SECRET) + f"- {{id: w, {GATE}, event_name: go}}\n" + check % ("b", "rotated-1")
    held = Held(tmp_path, steps).drive()
    assert held.open == ["w"]
    held.environment["TOKEN"] = "rotated-1"
    assert held.answer("w").status == "completed"
    assert held.attempts == {"a": 1, "b": 1}


def test_where_a_secret_is_kept_is_no_part_of_what_a_step_means(tmp_path: Path) -> None:
    digests = set()
    for name, head in (("1", HEAD), ("2", "secrets: {token: {file: key.txt}, key: {env: TOKEN}}")):
        held = Running(tmp_path / name, document(ECHO, head=head), {"x": 1})
        (held.folder / "key.txt").write_text(KEY)
        held._settings.environment["TOKEN"] = SECRET  # type: ignore[index]
        digests |= {str(entry["digest"]) for entry in held.drive().entries("step_started")}
    assert len(digests) == 1


def test_each_document_has_secrets_of_its_own(tmp_path: Path) -> None:
    inner = document(
        "- {id: a, kind: cli, command: 'test ${secrets.token} = of-inner && test -z \"$TOKEN$INNER\"'}",
        head="secrets: {token: {env: INNER}}",
    )
    steps = (
        "- {id: w, kind: workflow, workflow_ref: inner.yaml}\n- {id: a, kind: cli, command: 'test -z \"$TOKEN$INNER\"'}"
    )
    held = Held(tmp_path, steps + USED, files={"inner.yaml": inner})
    held.environment["INNER"] = "of-inner"
    assert held.drive().status == "completed"
