"""Completion in real shells: what a key press makes of a line; and the scripts, which know every command and option."""

from __future__ import annotations

import contextlib
import os
import re
import select
import shutil
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from checkpointflow.cli import candidates, main
from checkpointflow.cli.completion.scripts import SHELLS, script
from checkpointflow.cli.completion.table import table, valued
from checkpointflow.cli.door import COMMANDS
from cli.documents import FAILING, GATE, TWINS
from cli.program import Program
from cli.terminals import terminal

SECONDS = 30
START = {
    "bash": ["--noprofile", "--norc", "-i"],
    "zsh": ["-f", "-i"],
    "fish": ["--no-config", "--interactive"],
}
PREPARE = {
    "bash": r"""
show() { printf '\n<<%s>>\n' "$READLINE_LINE"; READLINE_LINE=; READLINE_POINT=0; }
bind -x '"\C-x\C-p": show'
eval "$(cpf completion bash)"
""",
    "zsh": r"""
show() { zle -I; print -r -- "<<$BUFFER>>"; BUFFER=; }
bindkey -e; zle -N show; bindkey '^X^P' show
autoload -Uz compinit; compinit -D -u
eval "$(cpf completion zsh)"
""",
    "fish": r"""
function show; printf '\n<<%s>>\n' (commandline); commandline ''; end
bind \cx\cp show
cpf completion fish | source
""",
}
"""Give the key that shows the line and empties it, and load the script."""
SHOW = "\x18\x10"


AT_TERMINAL = """
import fcntl, os, sys, termios
fcntl.ioctl(0, termios.TIOCSCTTY, 0)
os.execv(sys.argv[1], sys.argv[1:])
"""


class Shell:
    """A shell at a terminal of its own."""

    def __init__(self, name: str, program: Path, cpf: Program) -> None:
        self.name = name
        self._ours, theirs = terminal()
        path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
        environment = cpf.environment | {"PATH": path, "TERM": "xterm", "PS1": "> ", "HOME": str(cpf.home.parent)}
        self._process = subprocess.Popen(
            [sys.executable, "-c", AT_TERMINAL, str(shutil.which(name)), *START[name]],
            cwd=cpf.cwd, env=environment, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True,
        )  # fmt: skip
        os.close(theirs)
        try:
            self._type(f"{PREPARE[name]}echo pre''pared\n")
            self.until("prepared")
        except BaseException:
            self.close()
            raise

    def completed(self, line: str, key: str = "\t") -> str:
        """What a line becomes when a key is pressed behind it."""
        self._type(line + key + SHOW)
        return self.until(r"<<(.*?)>>")

    def list(self, line: str, *words: str) -> None:
        """Press a key twice behind a line, and wait until the terminal shows all the words."""
        self._type(line + "\t\t")
        self.until("(?s)" + "".join(f"(?=.*{word})" for word in words))

    def until(self, pattern: str) -> str:
        text = ""
        while not (found := re.search(pattern, text)):
            ready, _, _ = select.select([self._ours], [], [], SECONDS)
            assert ready, text
            text += os.read(self._ours, 4096).decode("utf-8", "replace")
        return found[found.lastindex or 0]

    def _type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def close(self) -> None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(self._process.pid, signal.SIGKILL)
        self._process.wait()
        os.close(self._ours)


@pytest.fixture
def program(tmp_path: Path) -> Path:
    """`cpf` as a program on the PATH."""
    path = tmp_path / "bin" / "cpf"
    path.parent.mkdir()
    path.write_text(f'#!/bin/sh\nexec "{sys.executable}" -m checkpointflow "$@"\n')
    path.chmod(0o755)
    return path


@pytest.fixture
def runs(cpf: Program) -> Program:
    """A waiting run `twins-1` with three waits, a waiting `gate-1`, and a failed `failing-1`."""
    for name, text in {"twins": TWINS, "gate": GATE, "failing": FAILING}.items():
        cpf.write(f"{name}.yaml", text)
        cpf.here("run", "-f", f"{name}.yaml", "--run-id", f"{name}-1")
    return cpf


@pytest.fixture(params=list(START))
def shell(request: pytest.FixtureRequest, program: Path, runs: Program) -> Iterator[Shell]:
    name = request.param
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    opened = Shell(name, program, runs)
    yield opened
    opened.close()


COMPLETED = [
    ("cpf dec", "cpf decide "),
    ("cpf --quiet comp", "cpf --quiet completion "),
    ("cpf run --det", "cpf run --detach "),
    ("cpf validate --str", "cpf validate --strict "),
    ("cpf resume --run-id twi", "cpf resume --run-id twins-1 "),
    ("cpf resume --run-id=twi", "cpf resume --run-id=twins-1 "),
    ("cpf retry --run-id ", "cpf retry --run-id failing-1 "),
    ("cpf send --run-id gate-1 --event ", "cpf send --run-id gate-1 --event go "),
    ("cpf send --run-id=gate-1 --event ", "cpf send --run-id=gate-1 --event go "),
    ("cpf resume --run-id gate-1 --wait ", "cpf resume --run-id gate-1 --wait w1 "),
    ("cpf logs --run-id gate-1 ", "cpf logs --run-id gate-1 first "),
    ("cpf waits --audience a", "cpf waits --audience agent "),
    ("cpf init --template h", "cpf init --template hand-off "),
    ("cpf guide --topic expr", "cpf guide --topic expressions "),
    ("cpf completion f", "cpf completion fish "),
    ("cpf decide --run-id twins-1 step do", "cpf decide --run-id twins-1 step done "),
    ("cpf validate -f twi", "cpf validate -f twins.yaml "),
    ("cpf runs --workflow tw", "cpf runs --workflow twins "),
]


def test_a_key_completes_commands_options_ids_and_files(shell: Shell) -> None:
    assert {line: shell.completed(line).rstrip() for line, _ in COMPLETED} == {
        line: completed.rstrip() for line, completed in COMPLETED
    }


def test_a_word_that_needs_quotes_is_one_word_for_the_shell(shell: Shell) -> None:
    line = shell.completed("cpf resume --run-id twins-1 --event it")
    expected = {
        "cpf resume --run-id twins-1 --event it\\'s\\ ready",
        "cpf resume --run-id twins-1 --event 'it\\'s ready'",
    }
    assert line.rstrip() in {*expected, 'cpf resume --run-id twins-1 --event "it\'s ready"'}


def test_all_candidates_are_listed(shell: Shell) -> None:
    shell.list("cpf resume --run-id twins-1 --wait w", "w1", "w2", "w3")


def test_where_nothing_fits_the_line_stays_as_it_was(shell: Shell) -> None:
    for line in ("cpf resume --run-id nothing", "cpf resume --run-id twins-1 --wait x", "cpf nothing"):
        assert shell.completed(line).rstrip() == line


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_completes_the_end_of_an_id_that_people_are_shown(program: Path, cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    run_id = cpf.here("run", "-f", "gate.yaml").envelope["run_id"]
    shell = Shell("bash", program, cpf)
    try:
        assert shell.completed(f"cpf status --run-id {run_id[-6:]}") == f"cpf status --run-id {run_id} "
    finally:
        shell.close()


@pytest.mark.skipif(shutil.which("pwsh") is None, reason="PowerShell is not installed")
@pytest.mark.parametrize(("line", "completed"), COMPLETED)
def test_powershell_completes(program: Path, runs: Program, line: str, completed: str) -> None:
    asked = (
        "cpf completion powershell | Out-String | Invoke-Expression; "
        f"(TabExpansion2 -inputScript '{line}' -cursorColumn {len(line)}).CompletionMatches.CompletionText"
    )
    path = f"{program.parent}{os.pathsep}{os.environ['PATH']}"
    said = subprocess.run(
        ["pwsh", "-NoProfile", "-NonInteractive", "-Command", asked],
        cwd=runs.cwd, env=runs.environment | {"PATH": path}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    assert completed.split()[-1].removeprefix("--run-id=") in [
        word.removeprefix("--run-id=").removeprefix("./").removeprefix(".\\") for word in said.stdout.split()
    ]


# -- scripts ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", list(SHELLS))
def test_a_script_knows_every_command_and_every_option(cpf: Program, name: str) -> None:
    answer = cpf.here("completion", name)
    assert (answer.exit_code, answer.stderr, answer.stdout) == (0, "", script(name))
    assert f"cpf completion {name}" in answer.stdout.splitlines()[0] + answer.stdout.splitlines()[1]
    assert not re.search(r"@[A-Z]+@", answer.stdout)
    for words in table():
        assert re.search(rf"\b{words.name}\b", answer.stdout)
        for option in words.options:
            flag = max(option.flags, key=len)
            assert (f"-l {flag[2:]}" if name == "fish" else flag) in answer.stdout


def test_the_table_has_every_command_and_tells_values_from_words() -> None:
    assert tuple(words.name for words in table()) == COMMANDS
    assert {"--run-id", "-f", "--input"} <= set(valued(table()))
    assert not {"--strict", "-F", "--help"} & set(valued(table()))


@pytest.mark.parametrize(("name", "check"), [("bash", ["-n"]), ("zsh", ["-n"]), ("fish", ["--no-execute"])])
def test_a_script_is_sound_for_its_shell(name: str, check: list[str], tmp_path: Path) -> None:
    if shutil.which(name) is None:
        pytest.skip(f"{name} is not installed")
    file = tmp_path / "script"
    file.write_text(script(name))
    said = subprocess.run([name, *check, str(file)], capture_output=True, text=True, check=True)
    assert said.stderr == ""


# -- what the scripts ask --------------------------------------------------------------------------


@pytest.fixture
def asked(runs: Program) -> Callable[..., list[str]]:
    """What `cpf __complete` offers."""

    def ask(*words: str) -> list[str]:
        answer = runs.here("__complete", *words)
        assert (answer.exit_code, answer.stderr) == (0, "")
        return [line.partition("\t")[0] for line in answer.stdout.splitlines()]

    return ask


def test_runs_are_offered_by_what_can_be_done_with_them(asked: Callable[..., list[str]]) -> None:
    assert asked("runs") == ["failing-1", "gate-1", "twins-1"]
    assert asked("unsettled-runs", "") == ["gate-1", "twins-1"]
    assert asked("failed-runs") == asked("settled-runs") == ["failing-1"]
    assert asked("runs", "gat") == asked("runs", "te-1") == ["gate-1"]
    assert asked("runs", "-1") == asked("failed-runs", "gate") == []


def test_what_is_inside_a_run_is_offered_for_that_run(asked: Callable[..., list[str]]) -> None:
    assert asked("waits", "", "twins-1") == ["w1", "w2", "w3"]
    assert asked("events", "", "twins") == ["go", "it's ready"]
    assert asked("events", "i", "ins-1") == ["it's ready"]
    assert asked("steps", "", "failing-1") == ["first", "bad"]
    assert asked("doubts", "", "twins-1") == []
    assert asked("waits", "", "") == asked("waits", "", "nowhere") == asked("waits", "", "ne") == []


def test_nothing_is_offered_and_nothing_made_where_there_is_no_store(cpf: Program) -> None:
    for words in (("runs",), ("waits", "", "some"), ("flows",), ("nonsense",), ()):
        assert cpf.here("__complete", *words).stdout == ""
    assert not cpf.home.exists()


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(600)])
def test_a_store_that_is_not_ours_is_left_alone(cpf: Program, content: bytes) -> None:
    cpf.home.mkdir()
    (cpf.home / "runs.db").write_bytes(content)
    answer = cpf.here("__complete", "runs")
    assert (answer.exit_code, answer.stdout, answer.stderr) == (0, "", "")
    assert [path.name for path in cpf.home.iterdir()] == ["runs.db"]


def test_flows_are_offered_by_their_ids(cpf: Program) -> None:
    folder = cpf.cwd / ".checkpointflow"
    folder.mkdir()
    (folder / "gate.yaml").write_text(GATE)
    (folder / "broken.yaml").write_text("a: [")
    assert cpf.here("__complete", "flows", "").stdout == "gate\tA gate\n"
    assert cpf.here("__complete", "flows", "x").stdout == ""


def test_the_hidden_word_is_no_command() -> None:
    assert candidates.WORD not in COMMANDS
    assert main([candidates.WORD]) == 0
