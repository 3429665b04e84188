"""Secrets where steps are performed: put in at their places only, kept out of all that comes back."""

from __future__ import annotations

import os
import threading
import traceback
from contextlib import nullcontext
from io import FileIO
from pathlib import Path
from typing import Any

import pytest

from checkpointflow import steps
from checkpointflow.errors import SecretUnavailableError, StepFailedError, StepOutputError
from checkpointflow.kernel.effects import EffectStopped, OutcomeLost, Stop
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.run import Origin, StepCall, StepContext, StepResult
from checkpointflow.steps import make_perform
from checkpointflow.steps.base import StepKind, StepSettings, output_paths
from checkpointflow.steps.masking import MaskedStream
from checkpointflow.steps.outputs import OutputFile
from checkpointflow.steps.pumps import Pump
from checkpointflow.steps.secrets import SecretMissing, missing_secrets, read_secret
from checkpointflow.values import JsonValue

RUN, KEY = RunId("01JZXY"), StepKey("deploy")
SECRET = "open-sesame"
HERE = "${secrets.token}"


class Place:
    """A folder in which commands with a secret run, and their files."""

    def __init__(self, folder: Path) -> None:
        environment = {"PATH": os.environ["PATH"], "TOKEN": SECRET, "OTHER_TOKEN": "another one", "PLAIN": "plain"}
        self.cwd = folder / "work"
        self.cwd.mkdir()
        self.settings = StepSettings(
            runs_dir=folder / "home" / "runs", sync=False, environment=environment, grace_seconds=0.2
        )
        self.files = output_paths(self.settings.runs_dir, RUN, KEY, 1)

    def perform(self, *places: Any, **arguments: Any) -> StepResult:
        """Perform a command with the placeholder of the secret first in the text at each place."""
        return self.marked([{"at": list(at), "offset": 0, "name": "token"} for at in places], **arguments)

    def marked(
        self, marks: list[JsonValue], *, stop: Stop | None = None, outputs: JsonValue = None, **arguments: Any
    ) -> StepResult:
        """Perform a command with placeholders at these marks."""
        call = StepCall(
            kind="cli",
            arguments=arguments | ({"secrets": marks} if marks else {}),
            outputs=outputs,
            origin=Origin(secrets={"token": {"env": "TOKEN"}}, withheld=frozenset({"TOKEN", "OTHER_TOKEN"})),
        )
        context = StepContext(run_id=RUN, key=KEY, attempt=1, idempotency_key="i", cwd=str(self.cwd))
        return make_perform(self.settings)(call, context, stop or Stop())

    @property
    def printed(self) -> tuple[str, str]:
        return self.files[0].read_text(), self.files[1].read_text()


@pytest.fixture
def place(tmp_path: Path) -> Place:
    return Place(tmp_path)


ENV = {"env": {"T": HERE}}
AT = ("env", "T")


# -- in --------------------------------------------------------------------------------------------


def test_a_secret_stands_only_where_the_call_says_so(place: Place) -> None:
    command = 'for v in "$T" "$U" "$V"; do echo "${#v}"; done; cat'
    env = {"T": HERE, "U": HERE, "V": f"{HERE}{HERE}"}
    result = place.perform(AT, ("env", "V"), command=command, env=env, stdin=HERE, parse="lines")
    length = len(SECRET)
    assert result.output == [str(length), str(len(HERE)), str(length + len(HERE)), HERE]


def test_several_secrets_in_one_text_are_put_in_at_their_offsets(place: Place) -> None:
    marks: list[JsonValue] = [{"at": ["stdin"], "offset": at, "name": "token"} for at in (0, 2 * len(HERE) + 2)]
    result = place.marked(marks, command="tr o 0", stdin=f"{HERE}-{HERE}-{HERE}", parse="text")
    assert result.output == "0pen-sesame-${secrets.t0ken}-0pen-sesame"


def test_arguments_that_hold_no_placeholder_where_they_say_so_are_a_defect(place: Place) -> None:
    with pytest.raises(ValueError, match="hold no placeholder for the secret `token`"):
        place.marked([{"at": ["stdin"], "offset": 1, "name": "token"}], command="cat", stdin=HERE)


def test_a_secret_in_json_for_stdin_is_escaped(place: Place) -> None:
    place.settings.environment["TOKEN"] = 'quo"te\\d'  # type: ignore[index]
    check = "import json, sys; v = json.load(sys.stdin); sys.exit(v['t'] != 'quo\"te\\\\d' or v['u'] != 'x')"
    result = place.perform(("stdin", "t"), argv=["python3", "-c", check], stdin={"t": HERE, "u": "x"})
    assert result.details["exit_code"] == 0


def test_percent_encoding_is_a_matter_of_the_place(place: Place) -> None:
    place.settings.environment["TOKEN"] = "a/b c?dé"  # type: ignore[index]
    mark: JsonValue = {"at": ["stdin"], "offset": 1, "name": "token", "encoding": "percent"}
    result = place.marked([mark], command="tr % _", stdin=f"/{HERE}/x", parse="text")
    assert result.output == "/a_2Fb_20c_3Fd_C3_A9/x"


def test_no_process_inherits_a_variable_that_holds_a_secret(place: Place) -> None:
    result = place.perform(command="env | sort | grep -v ^CPF", parse="lines")
    assert "PLAIN=plain" in result.output  # type: ignore[operator]
    assert not [line for line in result.output if "TOKEN" in line]  # type: ignore[union-attr]


def test_a_call_waits_for_its_secret_and_says_which(place: Place) -> None:
    del place.settings.environment["TOKEN"]  # type: ignore[attr-defined]
    with pytest.raises(SecretUnavailableError) as caught:
        place.perform(AT, command="touch performed", **ENV)
    assert caught.value.message == (
        "step `deploy` needs the secret `token`, and the variable `TOKEN` is not set; provide it here, "
        "then resume the run"
    )
    assert caught.value.details == {"secret": "token", "env": "TOKEN"}
    assert not (place.cwd / "performed").exists()


# -- out -------------------------------------------------------------------------------------------


def test_what_is_printed_is_masked_in_both_files_and_in_the_details(place: Place) -> None:
    result = place.perform(AT, command='echo "a $T b"; echo "c$T" >&2', **ENV)
    assert place.printed == ("a *** b\n", "c***\n")
    assert result.details == {"exit_code": 0, "stdout": "a *** b\n"}


def test_a_secret_that_is_printed_piece_by_piece_is_masked(place: Place) -> None:
    place.perform(AT, command='printf %s "${T%-*}-"; printf "%s." "${T#*-}"', **ENV)
    assert place.printed[0] == "***."


def test_a_secret_that_is_one_of_our_words_changes_none_of_them(place: Place) -> None:
    place.settings.environment["TOKEN"] = "exit_code"  # type: ignore[index]
    assert place.perform(AT, command='echo "$T"', **ENV).details == {"exit_code": 0, "stdout": "***\n"}
    with pytest.raises(StepFailedError) as caught:
        place.perform(AT, command="exit 3", **ENV)
    assert caught.value.details["exit_code"] == 3


def test_a_call_without_secrets_writes_straight_to_its_files(place: Place) -> None:
    place.perform(command=f"echo {SECRET}; test -f /dev/stdout && echo a file")
    assert place.printed[0] == f"{SECRET}\na file\n"


@pytest.mark.parametrize("parse", ["json", "lines", "text", "auto"])
def test_an_output_that_holds_a_secret_fails_the_step(place: Place, parse: str) -> None:
    with pytest.raises(StepOutputError) as caught:
        place.perform(AT, command='printf \'{"t": "%s"}\' "$T"', parse=parse, **ENV)
    assert caught.value.message == (
        "the output of step `deploy` holds the secret `token`, and outputs are written to the journal; "
        "have the step give something else"
    )
    assert SECRET not in str(caught.value.details)


def test_a_secret_that_only_decoding_reveals_fails_the_step_too(place: Place) -> None:
    escaped = "".join(f"\\u{ord(char):04x}" for char in SECRET)
    with pytest.raises(StepOutputError, match="holds the secret `token`"):
        place.perform(AT, argv=["printf", "%s", f'{{"t": "{escaped}"}}'], **ENV)


def test_errors_show_no_secret(place: Place) -> None:
    with pytest.raises(StepFailedError) as caught:
        place.perform(AT, command='echo "no: $T" >&2; exit 3', **ENV)
    assert caught.value.details == {"exit_code": 3, "stderr_tail": "no: ***"}
    schema = {"properties": {"t": {"type": "integer"}}}
    with pytest.raises(StepOutputError) as misfit:
        place.perform(AT, command='printf \'{"x": "%s"\' "$T"', outputs=schema, **ENV)
    assert SECRET not in misfit.value.message
    assert "***" in misfit.value.message


def test_partial_output_of_a_stopped_call_is_masked_and_kept(place: Place) -> None:
    stop = Stop()
    told = place.cwd / "told"
    os.mkfifo(told)
    threading.Thread(target=lambda: (told.read_text(), stop.ask("stopped"))).start()
    with pytest.raises(EffectStopped):
        place.perform(AT, command='echo "a $T"; printf open-; echo > told; sleep 600', stop=stop, **ENV)
    assert place.printed[0] == "a ***\nopen-"


def test_no_half_of_a_secret_is_left_where_a_command_was_ended_while_it_printed(place: Place) -> None:
    half = "s3cr3t-of-many-characters"
    place.settings.environment["TOKEN"] = f"{half}-and-more"  # type: ignore[index]
    for ending in ("kill -9 $$", "sleep 600 & echo $! > pid"):
        with pytest.raises(StepFailedError) if "kill" in ending else nullcontext():
            place.perform(AT, command=f"printf 'x{half}'; {ending}", **ENV)
        assert place.printed[0] == "x***"
    os.kill(int((place.cwd / "pid").read_text()), 9)
    place.perform(AT, command=f"printf 'x{half}'", **ENV)
    assert place.printed[0] == f"x{half}"


def test_what_is_left_running_does_not_hold_the_step_up(place: Place) -> None:
    result = place.perform(AT, command='sleep 600 & echo $! > pid; echo "$T done"', **ENV)
    assert result.details["stdout"] == "*** done\n"
    os.kill(int((place.cwd / "pid").read_text()), 9)


def test_all_that_a_command_has_printed_when_it_ends_is_in_the_file_whoever_still_holds_the_pipe(
    tmp_path: Path,
) -> None:
    pump = Pump(OutputFile(FileIO(tmp_path / "out", "wb"), MaskedStream({b"secret": "s"})))
    with FileIO(os.dup(pump.write_end.fileno()), "wb") as left_behind:
        left_behind.write(b"a secret b" * 1000 + b"sec")
        pump._ring.close()  # the command has ended before anything was read
        pump.start()
        assert pump.finish(is_cut=False) is None
    assert (tmp_path / "out").read_bytes() == b"a *** b" * 1000 + b"sec"


class Careless:
    """A kind that fails with an error in which its secret stands, raised from another such error."""

    def __init__(self, error: Exception) -> None:
        self.error = error

    def run(self, call: StepCall, *_rest: object) -> StepResult:
        assert call.arguments == {"t": SECRET}
        raise self.error from ValueError(SECRET)


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (StepFailedError(f"no {SECRET}", details={"a": [SECRET]}, hint=f"try {SECRET}"), "no ***"),
        (OutcomeLost(f"lost {SECRET}"), "lost ***"),
        (OSError(5, SECRET), "OSError: [Errno 5] ***"),
        (KeyError(SECRET), "KeyError: '***'"),
        (EffectStopped(), ""),
    ],
    ids=lambda value: type(value).__name__,
)
def test_whatever_a_kind_raises_shows_no_secret(
    place: Place, monkeypatch: pytest.MonkeyPatch, error: Exception, told: str
) -> None:
    kind = StepKind("cli", "fails", Careless(error).run)
    monkeypatch.setattr(steps, "KINDS", {"cli": kind})
    with pytest.raises(Exception) as caught:
        place.perform(["t"], t=HERE)
    assert str(caught.value) == told
    assert SECRET not in "".join(traceback.format_exception(caught.value))
    if isinstance(caught.value, StepFailedError):
        assert (caught.value.message, caught.value.details, caught.value.hint) == (told, {"a": ["***"]}, "try ***")


def test_a_file_that_takes_no_more_is_reported_and_the_command_is_not_held_up() -> None:
    pump = Pump(OutputFile(FileIO("/dev/full", "wb"), MaskedStream({b"secret": "s"})))
    command = FileIO(os.dup(pump.write_end.fileno()), "wb")
    pump.start()
    command.write(b"x" * 100)
    pump._thread.join()
    with command, pytest.raises(BrokenPipeError):
        command.write(b"x" * 100)
    error = pump.finish(is_cut=False)
    assert isinstance(error, OSError)
    assert error.strerror == "No space left on device"


# -- where they are kept ---------------------------------------------------------------------------


def reason(source: dict[str, Any], environment: dict[str, str], cwd: Path) -> str:
    with pytest.raises(SecretMissing) as caught:
        read_secret(source, environment, str(cwd))
    return str(caught.value)


def test_a_file_is_read_from_the_run_s_folder_or_the_home_folder_without_its_last_newline(tmp_path: Path) -> None:
    (tmp_path / "here").mkdir()
    for path, text in ((tmp_path / "here" / "k", "geheim ü\n"), (tmp_path / "h", "two\nlines\r\n")):
        path.write_text(text, newline="")
    environment = {"HOME": str(tmp_path)}
    assert read_secret({"file": "k"}, environment, str(tmp_path / "here")) == "geheim ü"
    assert read_secret({"file": "~/h"}, environment, "/") == "two\nlines"
    assert read_secret({"file": str(tmp_path / "here" / "k")}, environment, "/") == "geheim ü"


def test_what_cannot_be_kept_secret_counts_as_missing(tmp_path: Path) -> None:
    (tmp_path / "bytes").write_bytes(b"\xff\xfe\xfd\xfc\xfb\xfa")
    (tmp_path / "nul").write_bytes(b"sec\0ret")
    (tmp_path / "large").write_bytes("ä".encode() * 40_000)
    (tmp_path / "empty").write_bytes(b"\n")
    os.mkfifo(tmp_path / "pipe")
    environment = {"EMPTY": "", "SHORT": "12345", "BLANK": "12345    \n", "HALF": "secret\udc80"}
    assert reason({"env": "NONE"}, environment, tmp_path) == "the variable `NONE` is not set"
    assert reason({"env": "EMPTY"}, environment, tmp_path) == "the variable `EMPTY` is empty"
    assert reason({"env": "SHORT"}, environment, tmp_path) == (
        "the variable `SHORT` holds fewer than 6 characters, too few to be kept out of outputs"
    )
    assert "fewer than 6 characters" in reason({"env": "BLANK"}, environment, tmp_path)
    assert reason({"env": "HALF"}, environment, tmp_path) == "the variable `HALF` holds no text in UTF-8"
    assert reason({"file": "none"}, environment, tmp_path) == (
        "the file `none` cannot be read: no such file or directory"
    )
    assert reason({"file": "."}, environment, tmp_path) == "the file `.` cannot be read: is a directory"
    assert reason({"file": "pipe"}, environment, tmp_path) == (
        "the file `pipe` is no regular file, which could be read each time"
    )
    assert reason({"file": "empty"}, environment, tmp_path) == "the file `empty` is empty"
    assert reason({"file": "bytes"}, environment, tmp_path) == "the file `bytes` holds no text in UTF-8"
    for name in ("nul", "large"):
        assert reason({"file": name}, environment, tmp_path).endswith("holds a NUL character, or more than 64 KiB")


def test_missing_secrets_are_listed_without_values(tmp_path: Path) -> None:
    secrets = [("a", {"env": "A"}), ("b", {"env": "B"}), ("c", {"file": "c"})]
    missing = missing_secrets(secrets, {"A": "long enough", "B": "short"}, str(tmp_path))  # type: ignore[arg-type]
    assert [(one["secret"], one.get("env"), one.get("file")) for one in missing] == [("b", "B", None), ("c", None, "c")]
    assert "short" not in str(missing)
