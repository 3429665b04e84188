"""Progress for a person at a terminal: lines that fit, and no byte that the terminal did not ask for."""

from __future__ import annotations

import os
import re
from datetime import datetime, timedelta
from pathlib import Path

import pytest

from checkpointflow.cli.plain import cut, elapsed, plain
from checkpointflow.cli.progress import Board
from checkpointflow.clock import UTC
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import StepKey
from cli.documents import FAILING, GATE
from cli.program import Program
from cli.terminals import terminal

NOON = datetime(2030, 1, 1, 12, tzinfo=UTC)
SGR = re.compile(r"\x1b\[[0-9;]*m")
ERASE = "\r\x1b[2K"


def begun(key: str, seconds: float = 0) -> e.StepStarted:
    at = NOON + timedelta(seconds=seconds)
    return e.StepStarted(at=at, key=StepKey(key), kind="cli", attempt=1, digest="", arguments=None)


def done(key: str, seconds: float) -> e.StepCompleted:
    at = NOON + timedelta(seconds=seconds)
    return e.StepCompleted(at=at, key=StepKey(key), attempt=1, output=None, details={})


def test_a_board_shows_what_runs_how_long_and_what_is_done() -> None:
    board = Board()
    assert board.live(NOON) is None
    assert board.observe(begun("a")) is None
    live = board.live(NOON + timedelta(seconds=3))
    assert live is not None
    assert live.text == "a 3.0 s"
    line = board.observe(done("a", 75))
    assert line is not None
    assert (line.mark, line.text) == ("done", "a 1 min 15 s")
    assert board.live(NOON) is None


def test_a_board_counts_what_is_done_inside_a_scope() -> None:
    board = Board()
    board.observe(e.ScopeOpened(at=NOON, key=StepKey("each"), kind="foreach", digest="", members=4))
    for index in range(3):
        board.observe(begun(f"each[{index}]/s"))
    assert board.observe(done("each[1]/s", 1)) is None
    live = board.live(NOON + timedelta(seconds=2))
    assert live is not None
    assert live.text == "each[0]/s 2.0 s, and 1 more, each ██░░░░░░ 1/4"
    ended = board.observe(
        e.ScopeClosed(at=NOON + timedelta(seconds=4), key=StepKey("each"), outcome="completed", error=None)
    )
    assert ended is not None
    assert ended.text == "each 4.0 s, 1 steps done"


def test_a_board_tells_a_retry_from_a_failure() -> None:
    board = Board()
    failure = {"code": "ERR_STEP_FAILED", "message": "exit code 1"}
    lines = [
        board.observe(e.StepFailed(at=NOON, key=StepKey("a"), attempt=n, error=failure, retry_at=at))
        for n, at in ((1, NOON), (2, None))
    ]
    assert [line.mark for line in lines if line is not None] == ["again", "failed"]


@pytest.mark.parametrize(
    ("text", "shown"),
    [("a\x1b[31mb", "a[31mb"), ("x\ny\tz", "x y z"), ("a\u202eb\u200bc", "abc"), ("\x07\x9b", ""), ("ü✓", "ü✓")],
)
def test_nothing_that_steers_a_terminal_is_shown(text: str, shown: str) -> None:
    assert plain(text) == shown


@pytest.mark.parametrize(
    ("text", "cells", "shown"),
    [("abcdef", 6, "abcdef"), ("abcdef", 4, "abc…"), ("日本語", 5, "日本…"), ("日本語", 6, "日本語"), ("abc", 0, "")],
)
def test_text_is_cut_to_the_cells_that_there_are(text: str, cells: int, shown: str) -> None:
    assert cut(text, cells) == shown


def test_durations_are_written_for_people() -> None:
    assert [elapsed(seconds) for seconds in (-1, 0.44, 200, 7500)] == ["0.0 s", "0.4 s", "3 min 20 s", "2 h 5 min"]


# -- a real terminal -------------------------------------------------------------------------------


def on_terminal(cpf: Program, columns: int, *words: str, **environment: str) -> tuple[int, str]:
    """Run a command whose stderr is a terminal; return its exit code and what the terminal got."""
    ours, theirs = terminal()
    termios = pytest.importorskip("termios")
    termios.tcsetwinsize(theirs, (24, columns))
    inherited = {name: value for name, value in cpf.environment.items() if name not in {"NO_COLOR", "FORCE_COLOR"}}
    process = cpf.start(*words, stderr=theirs, env=inherited | {"TERM": "xterm"} | environment)
    os.close(theirs)
    got = b""
    while chunk := _read(ours):
        got += chunk
    os.close(ours)
    process.communicate(timeout=60)
    return process.returncode, got.decode()


def _read(descriptor: int) -> bytes:
    try:
        return os.read(descriptor, 4096)
    except OSError:
        return b""  # Linux says this when the other end is closed


def visible(text: str) -> list[str]:
    """The lines of a terminal's text, without colours and without what was erased again."""
    kept = [line.rpartition(ERASE)[2] for line in text.replace("\r\n", "\n").split("\n")]
    return [SGR.sub("", line) for line in kept if line]


@pytest.mark.parametrize("columns", [80, 40])
def test_progress_fits_the_terminal_and_ends_with_the_next_command(cpf: Program, columns: int) -> None:
    name = "a_step_with_a_name_that_is_much_longer_than_a_narrow_terminal_is_wide_" * 2
    cpf.write("gate.yaml", GATE.replace("id: first,", f"id: {name},").replace("steps.first.", f"steps.{name}."))
    exit_code, text = on_terminal(cpf, columns, "run", "-f", "gate.yaml")
    assert exit_code == 40
    lines = visible(text)
    told = [line for line in lines if line[0] in "✓◷✗…"]
    assert told[0].startswith("✓ a_step")
    assert "◷ ask waits for `go`" in told[1]
    assert all(len(line) < columns for line in told)
    assert lines[-1].startswith("next: cpf resume --run-id ")
    assert any(line.startswith("waiting: A gate, run …") for line in lines)
    assert "  May it go on?" in lines


def test_colour_is_for_who_wants_it(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    words = ("run", "-f", "failing.yaml")
    assert SGR.search(on_terminal(cpf, 80, *words)[1])
    assert not SGR.search(on_terminal(cpf, 80, *words, NO_COLOR="1")[1])
    assert SGR.search(on_terminal(cpf, 80, *words, NO_COLOR="1", FORCE_COLOR="1")[1])


def test_a_failure_is_told_in_words(cpf: Program) -> None:
    cpf.write("failing.yaml", FAILING)
    exit_code, text = on_terminal(cpf, 80, "run", "-f", "failing.yaml")
    lines = visible(text)
    assert exit_code == 30
    assert any(line.startswith("✗ bad: ") for line in lines)
    assert lines[-1].startswith("next: cpf retry --run-id ")


def test_problems_of_a_document_are_lines_that_editors_link(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE.replace("kind: cli, command", "kind: cli, comand"))
    exit_code, text = on_terminal(cpf, 80, "validate", "-f", "gate.yaml")
    assert exit_code == 10
    assert any(re.match(r"\S*gate\.yaml:10:\d+: error: ", line) for line in visible(text))


def test_what_a_document_says_cannot_steer_the_terminal(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE.replace("May it go on?", '"\\e]0;owned\\a\\e[2J\\u202e"'))
    _, text = on_terminal(cpf, 80, "run", "-f", "gate.yaml", NO_COLOR="1")
    assert "owned" in text
    assert "\x1b" not in text.replace(ERASE, "")
    assert "\x07" not in text
    assert "\u202e" not in text


def test_quiet_leaves_the_terminal_alone(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    assert on_terminal(cpf, 80, "run", "-f", "gate.yaml", "--quiet") == (40, "")


def test_nothing_but_the_run_id_is_said_when_nobody_watches(cpf: Program, tmp_path: Path) -> None:
    cpf.write("gate.yaml", GATE)
    answer = cpf("run", "-f", "gate.yaml")
    assert answer.stderr == f"run {answer.envelope['run_id']}\n"
