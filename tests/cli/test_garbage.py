"""Whatever words a command is given: exactly one envelope, exit code 10, no traceback, a command that helps on."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.cli.door import COMMANDS
from cli.documents import GATE
from cli.program import Program

RUN = "01ARZ3NDEKTSV4RRFFQ69G5FAV"
NOBODY = ("--run-id", RUN)
DEEP = "[" * 100_000
LONG = "9" * 5_000

NEEDS = {
    "init": (),
    "validate": ("-f", "gate.yaml"),
    "test": ("gate.yaml",),
    "schema": (),
    "fork": (*NOBODY, "--at", "s"),
    "tick": (),
    "worker": (),
    "graph": ("-f", "gate.yaml"),
    "plan": ("-f", "gate.yaml"),
    "run": ("-f", "gate.yaml"),
    "resume": NOBODY,
    "send": (*NOBODY, "--event", "go"),
    "waits": (),
    "runs": (),
    "status": NOBODY,
    "inspect": NOBODY,
    "logs": NOBODY,
    "cancel": NOBODY,
    "retry": NOBODY,
    "decide": (*NOBODY, "step", "done"),
    "guide": (),
    "flows": (),
    "export": (*NOBODY, "-o", "a.tar"),
    "import": ("a.tar",),
    "verify": ("a.tar",),
    "delete": NOBODY,
    "gc": (),
    "doctor": (),
    "completion": ("bash",),
}
OF_A_RUN = [name for name, words in NEEDS.items() if words[:2] == NOBODY]

ODD_WORDS = [
    *[(name, *NEEDS[name], "--bogus") for name in COMMANDS],
    *[(name, *NEEDS[name], "-z") for name in COMMANDS],
    *[(name, *NEEDS[name], "one", "word", "too", "many") for name in COMMANDS],
    *[(name, *NEEDS[name], "half\ud800") for name in COMMANDS],
    *[(name, *NEEDS[name], "nul\0") for name in COMMANDS],
    *[(name,) for name in COMMANDS if NEEDS[name]],
    *[(name, "--run-id") for name in OF_A_RUN],
    *[(name, "--run-id", *NEEDS[name][2:]) for name in OF_A_RUN],
    *[(name, "--run-id", bad, *NEEDS[name][2:]) for name in OF_A_RUN for bad in ("", " ", "abc", "\x1b[31mabcd")],
    *[(name, "--run-i", RUN, *NEEDS[name][2:]) for name in OF_A_RUN],
    *[(name, "-f", bad) for name in ("run", "validate", "plan") for bad in ("", " ", "a\nb", "flow.py:main", "m:f")],
    *[("run", *NEEDS["run"], "--input", bad) for bad in ("", "{", "NaN", "[Infinity]", "1e999", LONG, DEEP, "'a'")],
    *[("run", *NEEDS["run"], "--input", bad) for bad in ('{"a":"\\ud800"}', "@missing.json", "@", "@.", "7", "null")],
    *[("plan", *NEEDS["plan"], "--input", bad) for bad in ("{", "@missing.json", '{"n":"text"}', "[]")],
    *[("run", *NEEDS["run"], "--set", bad) for bad in ("", "n", "=1", " =1", "n=text")],
    ("run", *NEEDS["run"], "--input", "[]", "--set", "n=1"),
    *[("run", *NEEDS["run"], "--label", bad) for bad in ("", "x", "=y")],
    *[("run", *NEEDS["run"], "--run-id", bad) for bad in ("", "a", "../../etc", "a b c d", "x" * 65, "-abcd", "abcd.")],
    *[("run", *NEEDS["run"], "--inline-wait", bad) for bad in ("", "x", "-1", "nan", "inf", "1e9")],
    *[("run", *NEEDS["run"], "-o", bad) for bad in ("", "xml", "JSON")],
    *[("run", *NEEDS["run"], "--actor", bad) for bad in ("", "a\x1bb")],
    *[("run", *NEEDS["run"], later) for later in ("--dry-run", "--with=x", "--detach=yes", "--rerun=x")],
    ("resume", *NOBODY, "--input", "{}"),
    *[(name, *NOBODY, "--dry-run") for name in ("resume", "retry")],
    *[(name, *NOBODY, "--with", bad) for name in ("resume", "retry", "fork") for bad in ("", "missing.yaml")],
    *[(name, *NOBODY, "--rerun", "") for name in ("resume", "retry")],
    ("resume", *NOBODY, "--rerun", "step", "--event", "go"),
    ("fork", *NOBODY),
    ("fork", *NOBODY, "--at", ""),
    ("fork", *NOBODY, "--at", "step", "--new-run-id", ""),
    *[(name, option, bad) for name in ("tick", "worker") for option, bad in (("--pool", ""), ("--drain-seconds", "x"))],
    *[("worker", "--concurrency", bad) for bad in ("0", "-1", "x", "")],
    ("resume", *NOBODY, "--event-id", "e"),
    *[("resume", *NOBODY, "--event", bad) for bad in ("", "\t", "a\x07")],
    *[("resume", *NOBODY, "--event", "go", "--input", bad) for bad in ("{", "@missing", LONG)],
    *[("resume", *NOBODY, "--event", "go", option, "") for option in ("--wait", "--event-id", "--actor")],
    ("send", *NOBODY),
    ("send", *NOBODY, "--event", "go", "--input", "{"),
    *[("runs", "--limit", bad) for bad in ("-1", "0", "x", "", "1.5", "99999", "٣", LONG)],
    *[("runs", "--status", bad) for bad in ("", "open", "Running")],
    *[("runs", "--after", bad) for bad in ("", "x", "~", "2020-01-01~\x1b")],
    ("runs", "--label", "x"),
    ("runs", "--workflow", ""),
    ("waits", "--audience", "robot"),
    ("cancel", *NOBODY, "--timeout", "soon"),
    ("cancel", *NOBODY, "--reason"),
    *[("decide", *NOBODY, *bad) for bad in (("step",), ("step", "maybe"), ("", "done"), ("step", "again", "x"))],
    ("decide", *NOBODY, "step", "again", "--output", "{}"),
    ("decide", *NOBODY, "step", "done", "--output", "{"),
    *[("gc", "--older-than", bad) for bad in ("", "x", "-1d", "1", "1w", "1.5d", "99999d", "٣d", "d", LONG + "d")],
    *[("gc", "--status", bad) for bad in ("", "waiting", "interrupted", "all")],
    ("init", ""),
    ("init", "no/such/folder/x.yaml"),
    ("init", "."),
    ("init", "--template", "graph"),
    *[("flows", "--detail", bad) for bad in ("", "nothing", "a\nb")],
    *[("guide", "--topic", bad) for bad in ("", "loops")],
    *[("completion", bad) for bad in ("", "tcsh")],
    *[(later,) for later in ("gui", "__complete__", "help", "RUN", "")],
    ("--bogus",),
    ("--version", "x"),
    ("--", "run"),
    ("--quiet",),
    (),
]


@pytest.mark.parametrize("words", ODD_WORDS, ids=lambda words: repr(" ".join(words))[:70])
def test_words_that_do_not_fit_give_one_envelope_and_exit_code_10(cpf: Program, words: tuple[str, ...]) -> None:
    cpf.write("gate.yaml", GATE)
    answer = cpf.here(*words)
    envelope = answer.envelope
    assert (answer.exit_code, envelope["ok"]) == (10, False)
    assert "Traceback" not in answer.stderr
    assert len(envelope["error"]["message"]) < 600
    if words:
        assert answer.stderr == ""


@pytest.mark.parametrize("name", [name for name in OF_A_RUN if name != "resume"])
def test_a_run_that_is_not_there_is_said_to_be_missing_and_the_list_is_offered(cpf: Program, name: str) -> None:
    envelope = cpf.here(name, *NEEDS[name]).envelope
    assert envelope["error"]["code"] == "ERR_RUN_NOT_FOUND"
    assert envelope["next_actions"][0]["argv"] == ["cpf", "runs"]
    assert envelope["exit_code"] == 10


def test_a_refusal_by_words_leaves_no_state_behind(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    cpf.here("run", "-f", "gate.yaml", "--input", "{")
    cpf.here("run", "-f", "missing.yaml")
    assert not cpf.home.exists()


@pytest.mark.parametrize(
    ("words", "hint"),
    [
        (("rum", "-f", "x"), "did you mean `cpf run`?"),
        (("validat",), "did you mean `cpf validate`?"),
        (("run", "--flie", "gate.yaml"), "did you mean `--file`?"),
        (("run", "-f", "gate.yaml", "--imput", "{}"), "did you mean `--input`?"),
        (("status", "--runid", RUN), "did you mean `--run-id`?"),
        (("runs", "--debgu"), "did you mean `--debug`?"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_one_that_was_meant(
    cpf: Program, words: tuple[str, ...], hint: str
) -> None:
    envelope = cpf.here(*words).envelope
    assert envelope["error"]["hint"] == hint
    assert envelope["error"]["code"] == "ERR_USAGE"


def test_bare_cpf_shows_its_help_on_stderr_beside_the_envelope(cpf: Program) -> None:
    answer = cpf.here()
    assert answer.envelope["command"] == ""
    assert all(f"  {name} " in answer.stderr for name in COMMANDS)


@pytest.mark.parametrize("words", [("--help",), *[(name, "--help") for name in COMMANDS], ("run", "-h", "--bogus")])
def test_help_is_help_and_no_envelope(cpf: Program, words: tuple[str, ...]) -> None:
    answer = cpf.here(*words)
    assert (answer.exit_code, answer.stderr) == (0, "")
    assert answer.stdout.startswith("usage: cpf")


def test_a_process_started_with_bytes_that_are_no_text_answers_too(cpf: Program) -> None:
    process = cpf.start("status", "--run-id", b"\xff\xfe\xfd\xfc".decode(errors="surrogateescape"))
    stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stderr) == (10, b"")
    assert b'"ERR_USAGE"' in stdout


@pytest.mark.skipif(not Path("/dev/zero").exists(), reason="needs a file without end")
def test_input_without_end_is_not_read_to_its_end(cpf: Program) -> None:
    cpf.write("gate.yaml", GATE)
    envelope = cpf.here("run", "-f", "gate.yaml", "--input", "@/dev/zero").envelope
    assert envelope["error"]["message"] == "`--input` is larger than 64 MiB"
    assert (envelope["exit_code"], cpf.home.exists()) == (10, False)
