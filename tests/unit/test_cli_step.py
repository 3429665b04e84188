"""The step kind `cli`: what a command is given, and what becomes of its end and its output."""

import os
import signal
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from checkpointflow.errors import StepFailedError, StepOutputError, StoreUnavailable, UnknownKindError
from checkpointflow.kernel.effects import EffectStopped, Stop
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import StepCall, StepContext
from checkpointflow.steps import KINDS, make_perform
from checkpointflow.steps.base import StepSettings, output_paths

RUN = RunId("01JZXY")
KEY = StepKey("deploy[2]/apply")


@pytest.fixture
def settings(tmp_path):
    environment = {"PATH": os.environ["PATH"], "INHERITED": "yes"}
    return StepSettings(runs_dir=tmp_path / "home" / "runs", sync=False, environment=environment)


@pytest.fixture
def cwd(tmp_path):
    folder = tmp_path / "work"
    folder.mkdir()
    return folder


@pytest.fixture
def context(cwd):
    return StepContext(run_id=RUN, key=KEY, attempt=2, idempotency_key="01JZXY/deploy/1", cwd=str(cwd))


@pytest.fixture
def perform(settings, context):
    def run(command=None, *, outputs=None, stop=None, **arguments):
        if command is not None:
            arguments["command"] = command
        call = StepCall(kind="cli", arguments=arguments, outputs=outputs)
        return make_perform(settings)(call, context, stop or Stop())

    return run


@pytest.fixture
def files(settings):
    return output_paths(settings.runs_dir, RUN, KEY, 2)


def failure(perform, *args, error=StepFailedError, **kwargs):
    with pytest.raises(error) as caught:
        perform(*args, **kwargs)
    assert type(caught.value) is error
    return caught.value


# -- output ----------------------------------------------------------------------------------------


def test_one_json_object_is_the_output(perform):
    result = perform("""printf ' \\n{"url": "https://x", "n": 1}\\n'""")
    assert result.output == {"url": "https://x", "n": 1}
    assert result.details == {"exit_code": 0}


@pytest.mark.parametrize(
    "printed",
    ["hi\n", "[1]\n", "3", '{"a": 1} trailing', '{"a": NaN}', '{"a": "\\ud800"}', '{"a":' * 5000, ""],
    ids=["text", "list", "number", "more", "nan", "half a pair", "cut off", "nothing"],
)
def test_anything_else_is_kept_as_text_beside_an_empty_output(perform, printed):
    result = perform(argv=["printf", "%s", printed])
    assert result.output == {}
    assert result.details == {"exit_code": 0, "stdout": printed}


def test_json_nested_too_deeply_is_not_parsed_and_no_traceback(perform):
    deep = '{"a":' * 300 + "1" + "}" * 300
    assert perform(argv=["printf", "%s", deep]).output == {}
    assert perform(argv=["printf", "%s", '{"a":' * 150 + "1" + "}" * 150]).output != {}
    error = failure(perform, stdin="[" * 100_000 + "]" * 100_000, command="cat", parse="json", error=StepOutputError)
    assert "nested too deeply" in error.message


def test_bytes_that_are_no_text_are_shown_with_replacements(perform):
    assert perform("printf 'a\\377b'").details["stdout"] == "a\ufffdb"
    assert perform("printf 'a\\377b'", parse="text").output == "a\ufffdb"
    assert perform('printf \'{"a": "\\377"}\'').output == {}


def test_at_most_64_kib_are_kept_and_no_character_is_cut(perform):
    result = perform("printf x; yes ä | head -n 100000 | tr -d '\\n'")
    text = result.details["stdout"]
    assert len(text.encode()) == 65535
    assert text == "x" + "ä" * 32767


@pytest.mark.parametrize(
    ("parse", "printed", "output"),
    [
        ("json", " [1, 2]\n", [1, 2]),
        ("json", "null", None),
        ("json", "\ufeff{}", {}),
        ("lines", "a\r\nb\n\nc", ["a", "b", "", "c"]),
        ("lines", "a\x0cb\u2028c\n", ["a\x0cb\u2028c"]),
        ("lines", "", []),
        ("text", "a\n", "a\n"),
        ("text", "", ""),
    ],
)
def test_output_is_read_as_parse_says(perform, parse, printed, output):
    result = perform("cat", stdin=printed, parse=parse)
    assert result.output == output
    assert result.details == {"exit_code": 0}


@pytest.mark.parametrize("printed", ["hi", "", "{} {}", "[NaN]", "1e999"])
def test_what_was_to_be_json_and_is_not_fails_the_step(perform, printed):
    error = failure(perform, "cat", stdin=printed, parse="json", error=StepOutputError)
    assert "printed no JSON" in error.message
    assert error.details["stdout"] == printed


def test_an_output_that_fits_its_schema_is_returned(perform):
    schema = {"type": "object", "required": ["a"], "properties": {"a": {"type": "integer"}}}
    assert perform("""echo '{"a": 1}'""", outputs=schema).output == {"a": 1}


def test_an_output_that_does_not_fit_its_schema_fails_showing_what_came(perform):
    schema = {"type": "object", "required": ["b"], "properties": {"a": {"type": "integer"}}}
    error = failure(perform, """echo '{"a": "one"}'""", outputs=schema, error=StepOutputError)
    assert "`outputs.a` must be an integer" in error.message
    assert '{"a":"one"}' in error.message
    assert {problem["path"] for problem in error.details["problems"]} == {"outputs", "outputs.a"}
    assert error.details["exit_code"] == 0


@pytest.mark.parametrize("schema", [{"type": "object"}, {}, True])
def test_text_where_a_schema_asks_for_outputs_fails_the_step(perform, schema):
    error = failure(perform, "echo hi", outputs=schema, error=StepOutputError)
    assert error.code == "ERR_STEP_OUTPUT_INVALID"
    assert "hi" in error.message
    assert error.details == {"exit_code": 0, "stdout": "hi\n"}


def test_a_schema_holds_for_other_ways_to_parse_too(perform):
    assert perform("echo a", parse="lines", outputs={"type": "array"}).output == ["a"]
    failure(perform, "echo a", parse="lines", outputs={"type": "object"}, error=StepOutputError)


@pytest.mark.parametrize("arguments", [{"parse": "text"}, {"parse": "lines"}, {"parse": "json"}, {"outputs": {}}])
def test_more_than_8_mib_to_be_parsed_fails_naming_the_file(perform, files, arguments):
    error = failure(perform, "head -c 8388609 /dev/zero", error=StepOutputError, **arguments)
    assert str(files[0]) in error.message
    assert "8 MiB" in error.message
    assert files[0].stat().st_size == 8388609


MEASURE = """
import resource, sys
from pathlib import Path
from checkpointflow.errors import StepOutputError
from checkpointflow.kernel.effects import Stop
from checkpointflow.kernel.run import StepContext
from checkpointflow.kernel.run import StepCall
from checkpointflow.steps import make_perform
from checkpointflow.steps.base import StepSettings
settings = StepSettings(runs_dir=Path(sys.argv[1]) / "runs", sync=False, environment={"PATH": sys.argv[2]})
def run(command, attempt, **arguments):
    context = StepContext(run_id="01JZXY", key="big", attempt=attempt, idempotency_key="k", cwd=sys.argv[1])
    call = StepCall(kind="cli", arguments={"command": command, **arguments})
    return make_perform(settings)(call, context, Stop())
run("true", 1)
before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
print(len(run("head -c 200000000 /dev/zero", 2).details["stdout"]))
print(len(run("printf '{'; head -c 200000000 /dev/zero >&2", 3).details["stdout"]))
try:
    run("head -c 200000000 /dev/zero", 4, parse="text")
except StepOutputError as error:
    print(error.details["bytes"])
print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)
"""


def test_memory_does_not_grow_with_200_mb_of_output(tmp_path):
    arguments = [sys.executable, "-c", MEASURE, str(tmp_path), os.environ["PATH"]]
    printed = subprocess.run(arguments, capture_output=True, text=True, check=True).stdout.split()
    assert [int(number) for number in printed[:3]] == [65536, 1, 200_000_000]
    assert int(printed[3]) < 24 * 1024  # KiB
    for file in tmp_path.rglob("big.*.txt"):
        file.unlink()


# -- endings ---------------------------------------------------------------------------------------


def test_a_code_that_is_no_success_fails_the_step_with_the_end_of_stderr(perform, files):
    error = failure(perform, "seq 10000 >&2; echo out; exit 3")
    assert error.message == f"step `{KEY}` exited with code 3"
    assert error.step_key == KEY
    assert error.details == {"exit_code": 3, "stderr_tail": "\n".join(str(n) for n in range(9981, 10001))}
    assert files[0].read_text() == "out\n"


def test_the_tail_of_stderr_is_bounded_and_may_be_no_text(perform):
    error = failure(perform, "head -c 100000 /dev/zero | tr '\\0' '\\377' >&2; exit 1")
    assert error.details["stderr_tail"] == "\ufffd" * 4096
    assert failure(perform, "exit 1").details["stderr_tail"] == ""


def test_other_codes_can_be_successes(perform):
    assert perform("exit 3", success={"exit_codes": [0, 3]}).details["exit_code"] == 3
    assert failure(perform, "exit 0", success={"exit_codes": [3]}).details["exit_code"] == 0


def test_death_by_a_signal_is_named(perform):
    error = failure(perform, "kill -KILL $$")
    assert error.message == f"step `{KEY}` was ended by signal SIGKILL (9)"
    assert error.details["exit_code"] == -9


def test_a_command_that_the_shell_does_not_find_is_explained(perform):
    error = failure(perform, "no-such-program-here")
    assert error.details["exit_code"] == 127
    assert "did not find" in error.hint


def test_a_background_child_that_keeps_stdout_open_does_not_hold_up_the_step_and_lives_on(perform):
    pid = int(perform("sleep 1000 & echo $!", parse="text").output)
    os.kill(pid, signal.SIGKILL)  # raises if it was gone


def test_an_effect_that_was_asked_to_end_before_it_began_does_not_begin(perform, cwd):
    stop = Stop()
    stop.ask("stopped")
    with pytest.raises(EffectStopped):
        perform("touch began", stop=stop)
    assert not (cwd / "began").exists()


class AskedTooLate(Stop):
    """Asks right after the end of the command was seen."""

    def forget(self) -> None:
        self.ask("stopped")
        super().forget()


def test_an_end_that_was_seen_before_the_stop_counts(perform):
    assert perform("""echo '{"a": 1}'""", stop=AskedTooLate()).output == {"a": 1}


# -- what a command is given -----------------------------------------------------------------------


def test_argv_reaches_the_program_untouched(perform):
    tricky = ["$HOME", "a b", "", "*", "'; exit 9 #", "é\n"]
    script = "import json, sys; print(json.dumps({'argv': sys.argv[1:]}))"
    assert perform(argv=[sys.executable, "-c", script, *tricky]).output == {"argv": tricky}


@pytest.mark.parametrize("shell", ["sh", "bash"])
def test_values_travel_as_variables_and_stay_data(perform, shell):
    value = "$(exit 9) `exit 9` '; exit 9 \" \\ \n*"
    result = perform('printf "%s" "$V_1"', shell=shell, values={"V_1": value}, parse="text")
    assert result.output == value


def test_the_shell_is_the_one_asked_for(perform):
    assert perform("echo ${BASH_VERSION:+bash}", shell="bash", parse="text").output == "bash\n"


def test_the_environment_is_inherited_and_tells_the_step_where_it_is(perform, settings):
    names = ["INHERITED", "CPF_HOME", "CPF_RUN_ID", "CPF_STEP_KEY", "CPF_ATTEMPT", "CPF_IDEMPOTENCY_KEY"]
    lines = perform(argv=["printenv", *names], parse="lines").output
    assert lines == ["yes", str(settings.runs_dir.parent), RUN, KEY, "2", "01JZXY/deploy/1"]


def test_env_of_the_step_wins_over_what_is_inherited(perform):
    assert perform("echo $INHERITED", env={"INHERITED": "no"}, parse="text").output == "no\n"


def test_a_program_is_looked_for_in_the_path_of_the_step(perform, cwd):
    program = cwd / "greet"
    program.write_text("#!/bin/sh\necho hello\n")
    program.chmod(0o700)
    assert perform(argv=["greet"], env={"PATH": str(cwd)}, parse="text").output == "hello\n"


def test_cwd_is_relative_to_the_folder_of_the_run_and_a_tilde_is_a_name(perform, cwd, tmp_path):
    (cwd / "~").mkdir()
    assert perform("pwd", parse="text").output.strip() == str(cwd)
    assert perform("pwd", cwd="~", parse="text").output.strip() == str(cwd / "~")
    assert perform("pwd", cwd=str(tmp_path), parse="text").output.strip() == str(tmp_path)


def test_stdin_is_empty_unless_given(perform):
    assert perform("cat", parse="text").output == ""
    assert perform("cat", stdin="", parse="text").output == ""
    assert perform("wc -c", stdin="ä" * 500_000, parse="text").output.strip() == "1000000"


def test_a_command_that_does_not_read_its_stdin_does_not_hang(perform):
    assert perform("true", stdin="x" * 1_000_000).details["exit_code"] == 0


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs /proc")
def test_the_command_has_no_terminal_and_a_session_of_its_own(perform):
    own = perform("""cut -d' ' -f5,6 /proc/$$/stat; echo $$""", parse="lines").output
    group, session = own[0].split()
    assert group == session == own[1]


# -- what a command cannot be given ----------------------------------------------------------------


def refusal(perform, **arguments):
    error = failure(perform, **arguments)
    assert error.code == "ERR_STEP_FAILED"
    assert "\n" not in error.message
    return error.message


@pytest.mark.parametrize(
    ("arguments", "fact", "remedy"),
    [
        ({"command": "true", "shell": "bash", "env": {"PATH": "/nowhere"}}, "shell `bash`", "install it"),
        ({"command": "true", "shell": "fish"}, "`fish`", "`argv`"),
        ({"argv": ["no-such-program"]}, "`no-such-program`", "not found"),
        ({"argv": []}, "names no program", "`argv`"),
        ({"argv": ["./plain"]}, "`./plain`", "make it executable"),
        ({"argv": ["./odd"]}, "is no program", "#!/bin/sh"),
        ({"command": "true", "cwd": "missing"}, "missing`", "`cwd`"),
        ({"command": "true", "cwd": "plain"}, "no folder", "`cwd`"),
        ({"argv": ["echo", "a\0b"]}, "`argv[1]`", "`stdin`"),
        ({"command": "echo", "values": {"V": "a\0b"}}, "NUL", "`stdin`"),
        ({"command": "echo", "env": {"V": "a\0b"}}, "`env.V`", "`stdin`"),
        ({"command": "echo", "cwd": "a\0b"}, "`cwd`", "`stdin`"),
        ({"command": "echo", "env": {"a=b": "c"}}, "'a=b'", "rename"),
        ({"command": "echo", "values": {"V": "x" * 122_881}}, "122881 bytes", "`stdin`"),
        ({"command": "echo", "values": {"V": "ä" * 61_441}}, "122882 bytes", "`stdin`"),
        ({"argv": ["echo", "x" * 130_000]}, "`argv[1]`", "`stdin`"),
        ({"argv": ["echo", *["x" * 100_000] * 60]}, "more than a process takes", "`stdin`"),
        ({"command": "echo", "values": {"V": "\ud800"}}, "surrogate", "mend"),
        ({"command": "cat", "stdin": "\ud800"}, "`stdin`", "mend"),
    ],
)
def test_what_cannot_be_started_fails_the_step_with_the_remedy(perform, cwd, arguments, fact, remedy):
    (cwd / "plain").write_text("echo no\n")
    odd = cwd / "odd"
    odd.write_text("echo no\n")
    odd.chmod(0o700)
    message = refusal(perform, **arguments)
    assert fact in message
    assert remedy in message
    assert KEY in message


def test_values_up_to_the_limit_arrive(perform):
    assert perform('printf %s "$V" | wc -c', values={"V": "x" * 122_880}, parse="text").output.strip() == "122880"


def test_an_unknown_kind_is_not_supported_here(settings, context):
    with pytest.raises(UnknownKindError, match="`teleport`"):
        make_perform(settings)(StepCall(kind="teleport", arguments={}), context, Stop())


def test_every_kind_can_be_looked_up_by_its_name():
    assert "cli" in KINDS
    assert all(KINDS[name].name == name and KINDS[name].summary for name in KINDS)


# -- files -----------------------------------------------------------------------------------------


def test_output_is_in_files_that_only_their_owner_can_read(perform, files, settings):
    perform("echo out; echo err >&2")
    assert [path.read_text() for path in files] == ["out\n", "err\n"]
    assert {path.stat().st_mode & 0o777 for path in files} == {0o600}
    folders = [settings.runs_dir.parent, settings.runs_dir, *(path.parent for path in files)]
    assert {path.stat().st_mode & 0o777 for path in folders} == {0o700}


def test_a_process_left_from_before_cannot_write_into_the_output_of_another_try(perform, files):
    perform("echo first")
    with files[0].open("a") as left_behind:
        perform("echo second")
        left_behind.write("late\n")
    assert files[0].read_text() == "second\n"


@pytest.mark.parametrize("sync", [True, False])
def test_output_and_its_name_are_on_the_disk_before_the_step_returns_when_asked(
    settings, context, files, monkeypatch, sync
):
    synced = set()
    monkeypatch.setattr(os, "fsync", lambda descriptor: synced.add(os.fstat(descriptor).st_ino))
    call = StepCall(kind="cli", arguments={"command": "echo out; echo err >&2"})
    make_perform(replace(settings, sync=sync))(call, context, Stop())
    written = {path.stat().st_ino for file in files for path in (file, *file.parents[:4])}
    assert synced == (written if sync else set())


def test_files_that_cannot_be_made_are_no_fault_of_the_step(settings, perform):
    settings.runs_dir.parent.write_text("in the way")
    error = failure(perform, "true", error=StoreUnavailable)
    assert "cannot be used" in error.message
