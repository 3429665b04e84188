"""The promises of `cli` in a running document: what runs, where, with what, and what becomes of its output."""

from __future__ import annotations

from pathlib import Path

import pytest

from frontends.running import NOTHING, Running, document, run

END = "\n- {id: e, kind: end, result: '${steps.a}'}"


def outcome(folder: Path, fields: str, run_input: object = None, head: str = "") -> Running:
    """Run one command `a`, then an end whose result is its state."""
    return run(folder, f"- {{id: a, kind: cli, {fields}}}" + END, run_input, head=head)  # type: ignore[arg-type]


def stdout(ran: Running) -> object:
    assert isinstance(ran.result, dict)
    return ran.result["stdout"]


# -- what runs -------------------------------------------------------------------------------------


def test_a_command_runs_in_sh_unless_a_shell_is_named(tmp_path: Path) -> None:
    assert stdout(outcome(tmp_path / "1", "command: 'echo ${BASH_VERSION:+bash}'".replace("${", "$${"))) == "\n"
    bash = "command: 'echo $${BASH_VERSION:+bash}'"
    assert stdout(outcome(tmp_path / "2", f"{bash}, shell: bash")) == "bash\n"
    assert stdout(outcome(tmp_path / "3", bash, head="defaults: {shell: bash}")) == "bash\n"
    assert stdout(outcome(tmp_path / "4", f"{bash}, shell: sh", head="defaults: {shell: bash}")) == "\n"


def test_the_commands_of_a_list_run_one_after_the_other_in_one_shell_while_all_succeed(tmp_path: Path) -> None:
    fields = "command: ['x=1 # why', 'echo $x >> log; cd /; false || echo two >> $OLDPWD/log', 'pwd']"
    ran = outcome(tmp_path, fields)
    assert ran.log == ["1", "two"]
    assert stdout(ran) == "/\n"
    failed = outcome(tmp_path / "2", "command: ['echo 1 >> log', 'echo 2 >> log; exit 5', 'echo 3 >> log']")
    assert failed.log == ["1", "2"]
    assert failed.error["details"]["exit_code"] == 5  # type: ignore[index,call-overload]


def test_argv_runs_a_program_without_a_shell(tmp_path: Path) -> None:
    fields = "argv: [printf, '[%s]', '$HOME *', '${inputs.n}', 1.5, true, 'x ${inputs.l}', '']"
    assert stdout(outcome(tmp_path, fields, {"n": 3, "l": [1]})) == "[$HOME *][3][1.5][true][x [1]][]"


def test_shell_variables_are_left_alone_and_braces_are_written_with_two_dollars(tmp_path: Path) -> None:
    fields = "command: 'v=x; echo $v $${v}y $(echo $v)'"
    assert stdout(outcome(tmp_path, fields)) == "x xy x\n"


def test_the_same_value_may_stand_in_several_places_of_a_command(tmp_path: Path) -> None:
    fields = """command: ['echo ${inputs.v} "${inputs.v}"', 'echo ${inputs.v}-${inputs.w}']"""
    assert stdout(outcome(tmp_path, fields, {"v": "a b", "w": 1})) == "a b a b\na b-1\n"


# -- where, and with what --------------------------------------------------------------------------


def test_a_command_runs_in_the_folder_of_the_run_unless_cwd_leads_elsewhere(tmp_path: Path) -> None:
    steps = """
- {id: make, kind: cli, command: mkdir -p one/two}
- {id: a, kind: cli, command: pwd}
- {id: b, kind: cli, command: pwd, cwd: "one/${inputs.d}"}
- {id: e, kind: end, result: ["${steps.a.stdout}", "${steps.b.stdout}"]}
"""
    ran = run(tmp_path / "1", steps, {"d": "two"})
    assert ran.result == [f"{ran.folder}\n", f"{ran.folder}/one/two\n"]
    ran = run(tmp_path / "2", steps.replace("mkdir -p one/two", "mkdir -p one/two, cwd: ."), {"d": "two"},
              head="defaults: {cwd: '${inputs.d}/..'}", files={"two/x": ""})  # fmt: skip
    assert ran.result == [f"{ran.folder}\n", f"{ran.folder}/one/two\n"]


def test_a_cwd_that_is_no_folder_fails_the_step(tmp_path: Path) -> None:
    assert outcome(tmp_path, "command: 'true', cwd: nowhere").error["code"] == "ERR_STEP_FAILED"


def test_env_of_the_step_is_added_to_that_of_the_document_and_to_the_inherited_one(tmp_path: Path) -> None:
    fields = "command: 'echo $A $B $C $D $${PATH:+path}', env: {B: step, C: '${inputs.n}', D: 'x${inputs.o}'}"
    head = "defaults: {env: {A: 'doc ${inputs.n}', B: doc}}"
    assert stdout(outcome(tmp_path, fields, {"n": 1, "o": {"k": None}}, head)) == 'doc 1 step 1 x{"k":null} path\n'


def test_stdin_is_text_or_json_or_empty(tmp_path: Path) -> None:
    for index, (field, printed) in enumerate(
        [
            ("", ""),
            (", stdin: 'a ${inputs.o}'", 'a {"k":"é"}'),
            (", stdin: '${inputs.o}'", '{"k":"é"}'),
            (", stdin: {x: ['${inputs.o}', 1]}", '{"x":[{"k":"é"},1]}'),
            (", stdin: '${inputs.none}'", ""),
        ]
    ):
        ran = outcome(tmp_path / str(index), f"command: cat, parse: text{field}", {"o": {"k": "é"}, "none": None})
        assert ran.result["outputs"] == printed  # type: ignore[index,call-overload]


def test_commands_know_their_run_key_and_attempt(tmp_path: Path) -> None:
    steps = """
- id: f
  kind: foreach
  items: "[1]"
  body: [{id: a, kind: cli, command: 'echo $CPF_RUN_ID $CPF_STEP_KEY $CPF_ATTEMPT $CPF_IDEMPOTENCY_KEY >> log'}]
"""
    assert run(tmp_path, steps).log == ["a-run f[0]/a 1 a-run/f[0]/a/0"]


# -- output ----------------------------------------------------------------------------------------


def test_auto_takes_the_whole_of_stdout_if_it_is_one_json_object_else_keeps_it_as_stdout(tmp_path: Path) -> None:
    parsed = outcome(tmp_path / "1", """command: 'echo "{\\"x\\": [1]}"'""").result
    assert parsed == {"status": "completed", "outputs": {"x": [1]}, "exit_code": 0}
    kept = outcome(tmp_path / "2", "command: 'echo [1]'").result
    assert kept == {"status": "completed", "outputs": {}, "exit_code": 0, "stdout": "[1]\n"}


def test_of_what_was_not_parsed_the_first_64_kib_are_kept(tmp_path: Path) -> None:
    ran = outcome(tmp_path, "command: 'yes 1234567 | head -n 9000'")
    assert stdout(ran) == "1234567\n" * 8192


@pytest.mark.parametrize(
    ("parse", "outputs"), [("json", [{"x": 1}]), ("lines", ['[{"x": 1}]']), ("text", '[{"x": 1}]\n')]
)
def test_output_is_read_as_parse_says(tmp_path: Path, parse: str, outputs: object) -> None:
    ran = outcome(tmp_path, f"""command: 'echo "[{{\\"x\\": 1}}]"', parse: {parse}""")
    assert ran.result == {"status": "completed", "outputs": outputs, "exit_code": 0}


@pytest.mark.parametrize(
    ("printed", "shown"),
    [("", "nothing"), ("no json", "no json"), ('{"x": "one"}', "one"), ("{}", "{}"), ("[1]", "[1]")],
)
def test_with_an_outputs_schema_whatever_does_not_fit_fails_and_is_shown(
    tmp_path: Path, printed: str, shown: str
) -> None:
    schema = "{type: object, required: [x], properties: {x: {type: integer}}}"
    steps = f"""- {{id: a, kind: cli, argv: [printf, '%s', '${{inputs.p}}'], outputs: {schema}}}"""
    ran = run(tmp_path, steps, {"p": printed})
    assert (ran.error["code"], ran.exit_code) == ("ERR_STEP_OUTPUT_INVALID", 30)
    assert shown in str(ran.error["message"])


def test_exit_codes_other_than_those_of_success_fail_the_step(tmp_path: Path) -> None:
    fields = "command: 'exit ${inputs.n}', success: {exit_codes: [0, 3]}"
    assert outcome(tmp_path / "1", fields, {"n": 3}).result["exit_code"] == 3  # type: ignore[index,call-overload]
    failed = outcome(tmp_path / "2", fields, {"n": 1})
    assert (failed.error["code"], failed.exit_code) == ("ERR_STEP_FAILED", 30)


def test_output_files_are_kept_per_key_and_attempt(tmp_path: Path) -> None:
    outcome(
        tmp_path, "command: 'echo try $CPF_ATTEMPT; [ $CPF_ATTEMPT = 2 ]', retry: {max_attempts: 2, backoff_seconds: 0}"
    )
    found = sorted((tmp_path / "runs").rglob("a.*.txt"))
    texts = [file.read_text() for file in found if file.parent.name == "stdout"]
    assert texts == ["try 1\n", "try 2\n"]


# -- values that are not there ---------------------------------------------------------------------


@pytest.mark.parametrize(
    "fields",
    [
        "command: 'echo x${inputs.none}'",
        "command: ['true', 'echo ${inputs.none}']",
        "argv: [echo, '${inputs.none}']",
        "argv: [echo, 'x${inputs.none}']",
        "command: 'true', cwd: '${inputs.none}'",
        "command: 'true', cwd: './${inputs.none}'",
        "command: 'echo ${inputs.absent}'",
    ],
)
def test_null_in_command_argv_or_cwd_fails_the_step_before_anything_runs(tmp_path: Path, fields: str) -> None:
    inputs = "{type: object, properties: {none: {type: [string, 'null']}, absent: {type: string}}}"
    ran = run(tmp_path, f"- {{id: a, kind: cli, {fields}}}", {"none": None}, inputs=inputs)
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"]) == ("ERR_STEP_FAILED", 30, "a")
    assert "null" in str(ran.error["message"])
    assert ran.performed == []


def test_null_in_the_cwd_of_the_document_fails_the_step_that_needs_it(tmp_path: Path) -> None:
    ran = outcome(tmp_path, "command: 'true'", {"none": None}, head="defaults: {cwd: '${inputs.none}'}")
    assert (ran.error["code"], ran.error["step_key"]) == ("ERR_STEP_FAILED", "a")
    assert (
        outcome(tmp_path / "2", "command: 'true', cwd: .", {}, "defaults: {cwd: '${inputs.none}'}").status
        == "completed"
    )


def test_null_in_text_is_empty(tmp_path: Path) -> None:
    steps = """
- {id: a, kind: cli, command: 'printf "[%s]" "$V" "$W"; cat', env: {V: "${inputs.none}", W: "w${inputs.none}"},
   stdin: "<${inputs.none}>"}
- {id: e, kind: end, result: "${steps.a.stdout}|${inputs.none}|"}
"""
    assert run(tmp_path, steps, {"none": None}).result == "[][w]<>||"


# -- time, tries, once -----------------------------------------------------------------------------


def test_a_command_that_takes_too_long_is_ended_and_its_partial_output_kept(tmp_path: Path) -> None:
    ran = outcome(
        tmp_path, "command: 'echo begun; echo begun >> log; sleep 20; echo late >> log', timeout_seconds: 0.15"
    )
    assert (ran.error["code"], ran.exit_code) == ("ERR_TIMEOUT", 30)
    assert ran.log == ["begun"]
    assert (tmp_path / "runs" / "a-run" / "stdout" / "a.1.txt").read_text() == "begun\n"


def test_the_default_timeout_holds_for_effects_and_0_lifts_it(tmp_path: Path) -> None:
    head = "defaults: {timeout_seconds: 0.1}"
    assert outcome(tmp_path / "1", "command: sleep 20", head=head).error["code"] == "ERR_TIMEOUT"
    assert outcome(tmp_path / "2", "command: sleep 0.3, timeout_seconds: 0", head=head).status == "completed"
    assert outcome(tmp_path / "3", "command: sleep 0.3, timeout_seconds: 9", head=head).status == "completed"


def test_a_failed_command_is_tried_again_after_its_backoff(tmp_path: Path) -> None:
    policy = "retry: {max_attempts: 3, backoff_seconds: 10, strategy: exponential}"
    fields = f"command: 'echo $CPF_ATTEMPT >> log; [ $CPF_ATTEMPT = 3 ]', {policy}"
    ran = outcome(tmp_path, fields)
    assert (ran.status, ran.log) == ("waiting", ["1"])
    ran.pass_time(9)
    assert ran.log == ["1"]
    ran.pass_time(1)
    assert ran.log == ["1", "2"]
    assert ran.pass_time(19).status == "waiting"
    assert ran.pass_time(1).status == "completed"
    assert ran.log == ["1", "2", "3"]


def test_tries_end_with_max_attempts_and_with_errors_that_are_not_named(tmp_path: Path) -> None:
    fields = "command: 'echo x >> log; exit 75', retry: {max_attempts: 3, backoff_seconds: 0"
    ran = outcome(tmp_path / "1", fields + "}")
    assert (ran.error["code"], len(ran.log)) == ("ERR_STEP_FAILED", 3)
    assert len(outcome(tmp_path / "2", fields + ", on: ['exit:75']}").log) == 3
    assert len(outcome(tmp_path / "3", fields + ", on: [timeout, 'exit:1']}").log) == 1


def test_the_retry_of_the_step_stands_in_place_of_that_of_the_document(tmp_path: Path) -> None:
    head = "defaults: {retry: {max_attempts: 2, backoff_seconds: 0}}"
    assert len(outcome(tmp_path / "1", "command: 'echo x >> log; exit 1'", head=head).log) == 2
    fields = "command: 'echo x >> log; exit 1', retry: {max_attempts: 1}"
    assert len(outcome(tmp_path / "2", fields, head=head).log) == 1


def test_output_that_does_not_fit_is_tried_again_too(tmp_path: Path) -> None:
    fields = """command: 'echo "{\\"n\\": $CPF_ATTEMPT}"', outputs: {properties: {n: {const: 2}}},
      retry: {max_attempts: 2, backoff_seconds: 0}"""
    assert outcome(tmp_path, fields).result["outputs"] == {"n": 2}  # type: ignore[index,call-overload]


def test_a_timeout_is_tried_again_if_the_step_says_so_and_leaves_what_runs_once_in_doubt(tmp_path: Path) -> None:
    fields = "command: 'echo x >> log; sleep 20', timeout_seconds: 0.1"
    ran = outcome(tmp_path / "1", f"{fields}, retry: {{max_attempts: 2, backoff_seconds: 0, on: [timeout]}}")
    assert (ran.error["code"], len(ran.log)) == ("ERR_TIMEOUT", 2)
    ran = outcome(tmp_path / "2", f"{fields}, retry: {{max_attempts: 2, backoff_seconds: 0}}, effect: once")
    assert (ran.status, ran.open, len(ran.log)) == ("waiting", ["a"], 1)


def after_a_death(folder: Path, fields: str) -> Running:
    """A run whose first process dies once it has recorded that `a` begins."""
    text = document(f"- {{id: a, kind: cli, command: 'echo x >> log', {fields}}}" + END)
    ran = Running(folder, text)
    assert ran.drive_crashing(after=2)
    return ran


def test_a_command_whose_outcome_nobody_saw_runs_again_and_one_that_runs_once_is_in_doubt(tmp_path: Path) -> None:
    again = after_a_death(tmp_path / "1", "effect: idempotent").drive()
    assert (again.status, again.attempts["a"]) == ("completed", 2)
    doubtful = after_a_death(tmp_path / "2", "effect: once").drive()
    assert (doubtful.status, doubtful.attempts["a"], doubtful.open) == ("waiting", 1, ["a"])
    assert doubtful.log == []


def test_a_command_runs_as_often_as_its_attempts_say_and_never_after_it_completed(tmp_path: Path) -> None:
    ran = outcome(tmp_path, "command: 'echo x >> log'")
    assert (ran.log, ran.attempts) == (["x"], {"a": 1})
    assert ran.outputs == NOTHING
