"""The page on places in commands: what the loader says of a sample for every line of the tables of refusals."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping

from checkpointflow.errors import DocumentError
from checkpointflow.expressions import Expression, Scope, parse_template
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.document.shell import Hole, notes, place_values
from checkpointflow.frontends.document.shell.advice import ARGV, CONSTRUCTS, PLACES, SCRIPT
from checkpointflow.frontends.document.shell.reading import EVALUATED_NAMES, Construct
from checkpointflow.frontends.document.shell.rules import EVALUATING_BUILTINS
from checkpointflow.values import JsonObject, JsonValue
from reference_pages.markdown import capital, code, codes, fence, page, table
from reference_pages.session import ROOT

POSIX = ("sh", "bash")
TAKEN: Mapping[str, str] = {
    "a word, or a part of one": "site publish --page=${…}.html",
    "double quotes": 'echo "Publishing ${…} now"',
    "single quotes": "echo 'Publishing ${…} now'",
    "`$( … )`, to any depth": 'echo "$(basename "$(dirname ${…})")"',
    "a here-document": "cat <<END\nDear ${…},\nEND\n",
    "`[ ]` and `test`": "if [ ${…} = home ]; then echo start; fi",
    "words of a loop": 'for page in ${…} other; do echo "$page"; done',
    "an assignment": 'page=${…}; echo "$page"',
    "a subject or pattern of `case`": "case ${…} in home) echo start ;; esac",
    "the target of a redirection": "echo start > out/${…}.txt",
    "`export` with a fixed name": "export PAGE=${…}",
}
OTHERS = ("pwsh", "powershell", "cmd")
EVALUATED_ELSEWHERE: Mapping[str, str] = {
    "pwsh": "Invoke-Expression $env:PAGE",
    "cmd": "echo %PAGE%",
}
INPUTS: JsonObject = {
    "type": "object",
    "properties": {"name": {"type": "string"}, "n": {"type": "integer"}},
    "required": ["name", "n"],
    "additionalProperties": False,
}
HOLE = "${inputs.name}"
_SCRIPT_STEPS = """\
- id: by_script                      # in it, "$1" is the value
  kind: cli
  argv: [bash, script.sh, "${inputs.name}"]

- id: by_program
  kind: cli
  argv: [site, publish, "${inputs.name}"]
"""


def problems(fields: JsonObject) -> list[JsonObject]:
    """Return what the loader says of a `cli` step with these fields."""
    step: JsonObject = {"id": "probe", "kind": "cli", **fields}
    workflow: JsonObject = {"id": "probe", "inputs": INPUTS, "steps": [step]}
    text = json.dumps({"schema_version": "checkpointflow/v1", "workflow": workflow})
    try:
        return load_text(text, source_path=None, cwd=ROOT).problems
    except DocumentError as error:
        return error.problems


def refusal(sample: str, shell: str, **more: JsonValue) -> JsonObject:
    """Return the first error about a sample; there is one."""
    fields: JsonObject = {"command": sample.replace("${…}", HOLE), "shell": shell, **more}
    found = [problem for problem in problems(fields) if problem["severity"] == "error"]
    assert found, f"{shell} takes {sample!r}"
    return found[0]


def written(sample: str) -> str:
    """Return a sample as a cell shows it."""
    return "<br>".join(code(line) for line in sample.rstrip("\n").split("\n"))


def instead(hint: object) -> str:
    """Return a hint as a sentence; what many say is a link to the one place where it is said."""
    text = str(hint).replace(SCRIPT, "write [a script](#a-script)").replace(ARGV, "[call the program](#a-script)")
    return re.sub(r"^\[?\w", lambda found: found.group().upper(), text)


# -- the tables ------------------------------------------------------------------------------------


def taken_table() -> str:
    """Return the places that take a value, with the text that the shell is given."""
    return table(
        ["place", "written", "what the shell reads"],
        [[capital(place), written(sample), written(placed(sample))] for place, sample in TAKEN.items()],
    )


def placed(sample: str) -> str:
    """Return a sample's text as sh and bash are given it, which is the same for both; nothing is said against it."""
    template = parse_template(sample.replace("${…}", HOLE), Scope(roots={"inputs": INPUTS}))
    parts = [Hole(source="x", numeric=False, offset=0) if isinstance(p, Expression) else str(p) for p in template.parts]
    (text,) = {place_values(parts, shell=shell).text for shell in POSIX}
    for shell in POSIX:
        assert problems({"command": sample.replace("${…}", HOLE), "shell": shell}) == []
    return text


def refused_table() -> str:
    """Return the places that take none."""
    rows = []
    for place in PLACES:
        for shell in POSIX:
            assert place.place in str(refusal(place.sample, shell)["message"])
        rows.append([capital(place.place), written(place.sample), instead(place.hint)])
    return table(["place", "for example", "instead"], rows)


def builtins_table() -> str:
    """Return the builtins that take no value among their words, those with the same advice together."""
    hints: dict[str, list[str]] = {}
    for name in EVALUATING_BUILTINS:
        closer = " ]" if name.startswith("[") else ""
        (hint,) = {str(refusal(f"{name} ${{…}}{closer}", shell)["hint"]) for shell in POSIX}
        hints.setdefault(hint.replace(f"`{name} NAME`", "`local NAME`"), []).append(name)
    return table(["builtins", "instead"], [[codes(names), instead(hint)] for hint, names in hints.items()])


def constructs_table() -> str:
    """Return what rules out values in the whole text."""
    return table(["what", "for example", "instead"], [construct_row(one) for one in CONSTRUCTS])


def construct_row(construct: Construct) -> list[str]:
    """Return the row of one construct, its name taken from what the loader says of the sample."""
    said = [str(refusal(construct.sample, shell)["message"]) for shell in POSIX]
    what = said[0].partition("a text with ")[2].partition(", which could evaluate its value")[0]
    assert what, said
    assert said[0] == said[1], said
    return [capital(what), written(construct.sample), instead(construct.hint)]


def others_table() -> str:
    """Return what other shells refuse."""
    rows = []
    for shell in OTHERS:
        found = refusal("echo ${…}", shell)
        rows.append([code(shell), written("echo ${…}"), instead(found["hint"])])
    for shell, sample in EVALUATED_ELSEWHERE.items():
        found = refusal(sample, shell, env={"PAGE": HOLE})
        rows.append([code(shell), f"{written(sample)} with `env: {{PAGE: ${{…}}}}`", instead(found["hint"])])
    return table(["shell", "refused", "instead"], rows)


def interpreters() -> str:
    """Return the programs that read what they are given as their own language."""
    return codes(sorted(notes.INTERPRETERS))


def shell_places_page() -> str:
    """Return the page."""
    warned = next(p for p in problems({"command": 'sh -c "echo ${inputs.name}"'}) if p["severity"] == "warning")
    return page(
        "Places in commands",
        "What a `${…}` may stand in, in the `command` of a `cli` step. [Write a safe command](../how-to/"
        "write-a-safe-command.md) says how to go about it; this page lists what the loader knows. "
        "`${…}` stands for any expression.\n",
        "[Places that take a value](#places-that-take-a-value) · [Places that take none](#places-that-take-none) · "
        "[Words of builtins](#words-of-builtins) · [Constructs](#constructs-that-rule-out-values-anywhere) · "
        "[Other shells](#other-shells) · [Other programs](#other-programs)\n",
        "## Places that take a value\n",
        "`sh` (which is dash on Debian and Ubuntu) and `bash` read these alike. The value travels in a variable of the "
        "environment, so the shell sees one piece of data, whatever it holds.\n",
        taken_table(),
        "A value of null, of more than 120 KiB or with a NUL character fails the step. In `argv`, `env` and `stdin` "
        "there is no shell, and a value may hold whatever the system can pass on.\n",
        "## Places that take none\n",
        "A document with one of these is refused when it is loaded, also for `sh`: it may be bash.\n",
        refused_table(),
        "A text that is not complete, or that shells read differently, is refused as soon as a value stands in it; "
        "the message says where.\n",
        "### A script\n",
        "What a shell cannot take safely in a text, it takes as an argument, and a program takes it without a shell:\n",
        fence("yaml", _SCRIPT_STEPS, "steps"),
        "## Words of builtins\n",
        "These evaluate their words, or take them for names of variables. They are found behind `command` and "
        "`builtin`, too.\n",
        builtins_table(),
        "## Constructs that rule out values anywhere\n",
        "Bash runs a `$(…)` that it finds in the *text of a variable* wherever it takes that text for arithmetic or "
        "for a name. So where a text holds one of these, no value may stand anywhere in it, nor in `env` of the step, "
        "unless its schema says `integer` or `number`.\n",
        constructs_table(),
        "Bash evaluates these variables by itself, so no value is assigned to them: "
        f"{codes(sorted(EVALUATED_NAMES))}.\n",
        "## Other shells\n",
        "`pwsh`, `powershell` and `cmd` take no value in their text, and none in `env` where their text evaluates "
        "variables.\n",
        others_table(),
        "## Other programs\n",
        "The promise holds for the shell that runs the command. These programs read their argument, or what comes "
        f"through a pipe, as code of their own: {interpreters()}. `cpf validate` warns there:\n",
        fence("text", f"{warned['message']}\n{instead(warned['hint'])}"),
    )
