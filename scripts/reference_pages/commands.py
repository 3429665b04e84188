"""The page on commands: their words from their parsers, their exit codes, and what each printed when it was run."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from importlib import import_module

from checkpointflow.cli.arguments import EVERYWHERE
from checkpointflow.cli.door import COMMANDS
from checkpointflow.cli.engine import ON_ENGINES
from checkpointflow.cli.exits import ALWAYS, POSSIBLE
from reference_pages.markdown import capital, code, codes, fence, page, table
from reference_pages.session import ROOT, Session, session

GROUPS: Mapping[str, tuple[str, ...]] = {
    "Write": ("init", "guide", "validate", "test", "schema", "flows", "plan"),
    "Run": ("run", "resume", "send", "cancel", "retry", "decide", "fork", "tick", "worker"),
    "Look": ("waits", "runs", "status", "graph", "inspect", "logs"),
    "Move": ("export", "import", "verify"),
    "Keep house": ("delete", "gc", "doctor", "completion"),
}
TEXTS: Mapping[str, str] = {
    "guide": "Prints Markdown in place of an envelope.",
    "schema": "Prints the JSON Schema in place of an envelope.",
    "completion": "Prints the script in place of an envelope.",
    "fork": "Prints the envelope of the new run, as `run` does, with `forked_from`.",
    "tick": "Prints one envelope with a [drive](envelope.md#a-drive) for each run that it went on with, in that order.",
    "worker": "Prints one envelope when it has been stopped; a line on stderr tells of each drive, or, with "
    "`-o ndjson`, a [drive](envelope.md#a-drive) on stdout.",
    "doctor": "Prints one [check](envelope.md#a-check) for each thing; an error among them makes the exit code 60.",
}
"""What is said of commands that print too much to show, or what differs from place to place."""

_ANSWER = ("--event", "change_approval", "--input")
_RELEASE = """\
schema_version: checkpointflow/v1
workflow:
  id: release
  inputs: {type: object}
  steps:
    - {id: upload, kind: cli, command: "test -e built.txt"}
"""
_MAIL = """\
schema_version: checkpointflow/v1
workflow:
  id: mail
  inputs: {type: object}
  steps:
    - {id: send, kind: cli, command: "sleep 60", effect: once, timeout_seconds: 0.05}
"""


# -- words -----------------------------------------------------------------------------------------


def parser_of(name: str) -> tuple[str, argparse.ArgumentParser]:
    """Return a command's summary and a parser with its words."""
    command = import_module(f"checkpointflow.cli.commands.{name}")
    parser = argparse.ArgumentParser(add_help=False)
    command.add_arguments(parser)
    return str(command.SUMMARY), parser


def usage(name: str, parser: argparse.ArgumentParser) -> str:
    """Return the command with all its words, optional ones in brackets."""
    line, lines = f"cpf {name}", []
    for action in sorted(parser._actions, key=lambda one: bool(one.option_strings) and not one.required):
        word = " ".join([*action.option_strings[:1], *([_value(action)] if action.nargs != 0 else [])])
        if len(line) > 90:
            lines.append(line)
            line = " " * 3
        line += f" {word}" if action.required else f" [{word}]"
    return "\n".join([*lines, line])


def action_row(action: argparse.Action) -> list[str]:
    """Return the row of one option or word."""
    value = ""
    if action.nargs != 0 and (action.choices or action.option_strings):
        value = codes(map(str, action.choices)) if action.choices else code(_value(action))
    words = codes(action.option_strings) or code(_value(action))
    return [words, value, str(action.help)]


def _value(action: argparse.Action) -> str:
    return str(action.metavar or action.dest).upper()


def exits(name: str) -> str:
    """Return the sentence on a command's exit codes."""
    more = sorted(POSSIBLE[name] - ALWAYS)
    return f"Exits also with {codes(more)}.\n" if more else ""


# -- examples --------------------------------------------------------------------------------------


def examples() -> dict[str, str]:
    """Run every command that prints an envelope, and return what each one said and printed."""
    with session() as here:
        page_document = (ROOT / "examples" / "publish_page.yaml").read_text(encoding="utf-8")
        here.write("publish_page.yaml", page_document)
        cases = (ROOT / "examples" / "publish_page.test.yaml").read_text(encoding="utf-8")
        here.write("publish_page.test.yaml", cases)
        here.write("draft.yaml", page_document.replace("steps.plan.outputs.summary", "steps.plan.outputs.sumary"))
        here.write(".checkpointflow/publish_page.yaml", page_document)
        here.write("release.yaml", _RELEASE)
        here.write("mail.yaml", _MAIL)
        return {**_written(here), **_run(here), **_looked(here), **_ended(here)}


def _written(here: Session) -> dict[str, str]:
    return {
        "init": here.say("init").block(),
        "validate": here.say("validate", "-f", "draft.yaml").block(),
        "test": here.say("test", "publish_page.yaml", "--case", "approved").block(),
        "flows": here.say("flows").block(),
        "plan": here.say("plan", "-f", "publish_page.yaml", "--set", "page_id=home").block(),
    }


def _run(here: Session) -> dict[str, str]:
    start = ("run", "-f", "publish_page.yaml", "--set", "page_id=home", "--run-id")
    shown = {"run": here.say(*start, "page-1").block("waits"), "waits": here.say("waits").block()}
    for other in ("page-2", "page-3"):
        here.say(*start, other)
    approve, reject = '{"decision": "approve"}', '{"decision": "reject"}'
    shown["resume"] = here.say("resume", "--run-id", "page-1", *_ANSWER, approve).block()
    shown["send"] = here.say("send", "--run-id", "page-2", *_ANSWER, reject).block("wait", "waits")
    shown["status"] = here.say("status", "--run-id", "page-3").block("wait", "waits")
    return shown


def _looked(here: Session) -> dict[str, str]:
    printed = here.say("logs", "--run-id", "page-1", "plan")
    drawn = here.say("graph", "--run-id", "page-1", "--format", "text")
    return {
        "runs": here.say("runs", "--limit", "2").block(),
        "inspect": here.say("inspect", "--run-id", "page-1").block("result.entries"),
        "graph": drawn.command() + "\n" + fence("text", drawn.text),
        "logs": printed.command() + "\n" + fence("text", printed.text),
    }


def _ended(here: Session) -> dict[str, str]:
    here.say("run", "-f", "release.yaml", "--run-id", "release-1")
    here.write("built.txt", "")
    here.say("run", "-f", "mail.yaml", "--run-id", "mail-1")
    return {
        "retry": here.say("retry", "--run-id", "release-1", "--reason", "it is built now").block(),
        "decide": here.say("decide", "--run-id", "mail-1", "send", "done", "--reason", "it is in the outbox").block(),
        "cancel": here.say("cancel", "--run-id", "page-3", "--reason", "not this week").block(),
        "delete": here.say("delete", "--run-id", "page-3").block(),
        "gc": here.say("gc", "--older-than", "7d").block(),
        **_moved(here),
    }


def _moved(here: Session) -> dict[str, str]:
    here.say("run", "-f", "publish_page.yaml", "--set", "page_id=home", "--run-id", "page-4")
    return {
        "export": here.say("export", "--run-id", "page-4", "--move", "-o", "page-4.tar").block("wait", "waits"),
        "verify": here.say("verify", "page-4.tar").block(),
        "import": here.say("import", "page-4.tar").block("wait", "waits"),
    }


# -- the page --------------------------------------------------------------------------------------


def command_section(name: str, example: str) -> str:
    """Return what the page says of one command."""
    summary, parser = parser_of(name)
    rows = [action_row(action) for action in parser._actions]
    parts = [f"## cpf {name}\n", f"{capital(summary)}.\n", fence("text", usage(name, parser))]
    parts += [table(["word", "value", "meaning (default)"], rows)] if rows else []
    return "\n".join([*parts, *filter(None, [exits(name), example])])


def commands_page() -> str:
    """Return the page."""
    shown = examples()
    told = {name: f"{text}\n" for name, text in TEXTS.items()}
    assert {*shown, *told} == {*COMMANDS} == {name for names in GROUPS.values() for name in names}
    groups = [[group, ", ".join(f"[{name}](#cpf-{name})" for name in names)] for group, names in GROUPS.items()]
    return page(
        "Commands",
        table(["to", "commands"], groups),
        "Every command prints one JSON [envelope](envelope.md) to stdout, also when it refuses, and exits with the "
        f"`exit_code` in it. Every command can [exit](exit-codes.md) with {codes(sorted(ALWAYS))}; what it gives "
        "beside these is said with it.\n",
        "Everywhere: `--quiet`, `-q` (nothing on stderr), `--debug` (tracebacks there), `--help`. `cpf --version` "
        "prints the version. `--engine URL`, or `CPF_ENGINE`, has "
        f"{', '.join(f'`{name}`' for name in ON_ENGINES)} act on the runs of [another engine]"
        "(../how-to/run-on-temporal.md); all other commands refuse it. Where state is kept and who acts is said by "
        "[variables](settings.md).\n",
        "The examples below were run when this page was written, on "
        "[publish_page.yaml](../../examples/publish_page.yaml) unless said otherwise; `…` stands for what differs each "
        "time, or is long and shown elsewhere.\n",
        *(command_section(name, shown.get(name) or told[name]) for name in COMMANDS),
    )


assert {*EVERYWHERE} == {"--quiet", "-q", "--debug", "--engine"}, "say on the page what the new word does"
