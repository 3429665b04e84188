"""Values of every kind, through running documents: byte for byte wherever they may stand, and never syntax."""

from __future__ import annotations

from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError
from frontends.running import Running, document, run

VALUES: list[str] = [
    "",
    "plain",
    " two  words ",
    "$(touch canary)",
    "`touch canary`",
    "; touch canary;",
    "& touch canary | touch canary",
    "'; touch canary; '",
    '"; touch canary; "',
    "\ntouch canary\n",
    ") touch canary",
    "E\ntouch canary\nE\n",
    "a[$(touch canary)]",
    "> canary",
    "$HOME ${HOME} $1 $$",
    "${inputs.x} $${x}",
    "\\ \\n \\\\ \\' \\\"",
    "* ? [a-z] ~ {a,b}",
    "-n",
    "--",
    "%s%n",
    "#no !comment",
    "a=b",
    "\t\r\x01\x7f",
    "é日本😀\u2028",
    "\n\n",
]
UNPARSED = "parse: text"
PLACES = {
    "an unquoted word": ("printf %s ${item} > %", ""),
    "a part of a word": ("printf %s pre-${item}-post > %", "pre-{}-post"),
    "double quotes": ('printf %s "pre ${item} post" > %', "pre {} post"),
    "single quotes": ("printf %s 'pre ${item} post' > %", "pre {} post"),
    "a command substitution": ('x=$(printf %s. ${item}) && printf %s "$x" > %', "{}."),
    "quotes in a substitution in quotes": ("""printf %s "$(printf %s. "${item}")" > %""", "{}."),
    "a substitution in a substitution": ("""printf %s "$(printf %s "$(printf %s. '${item}')")" > %""", "{}."),
    "a here-document": ("cat > % <<E\npre ${item} post\nE", "pre {} post\n"),
    "an assignment": ('x=${item}; printf %s "$x" > %', ""),
    "a for loop": ('for x in a ${item}; do printf %s "$x"; done > %', "a{}"),
    "a case": ("case ${item} in ${item}) printf yes;; *) printf no;; esac > %", "yes"),
    "twice": ('printf %s:%s ${item} "${item}" > %', "{0}:{0}"),
}


def over_values(step: str) -> str:
    lines = "\n".join(f"    {line}" for line in step.splitlines())
    return f"- id: f\n  kind: foreach\n  items: inputs.values\n  body:\n  - id: a\n    kind: cli\n{lines}\n"


def written(ran: Running) -> list[str]:
    assert ran.status == "completed", ran.journal[-1]
    assert not (ran.folder / "canary").exists()
    return [ran.read(f"out-{index}").decode() for index in range(len(VALUES))]


def expected(shape: str) -> list[str]:
    return [shape.format(value) if shape else value for value in VALUES]


@pytest.mark.parametrize("shell", ["sh", "bash"])
@pytest.mark.parametrize("place", PLACES)
def test_a_value_in_a_command_arrives_byte_for_byte(tmp_path: Path, place: str, shell: str) -> None:
    command, shape = PLACES[place]
    lines = "\n".join(
        f"  {line}" for line in command.replace("%\n", "%").replace("> %", "> out-${item_index}").splitlines()
    )
    ran = run(tmp_path, over_values(f"shell: {shell}\ncommand: |-\n{lines}"), {"values": VALUES})  # type: ignore[dict-item]
    assert written(ran) == expected(shape)


def test_a_value_in_a_list_of_commands_arrives_byte_for_byte(tmp_path: Path) -> None:
    step = 'command:\n- printf %s ${item} > out-${item_index}\n- printf %s "${item}" >> out-${item_index}'
    assert written(run(tmp_path, over_values(step), {"values": VALUES})) == expected("{0}{0}")  # type: ignore[dict-item]


def test_a_value_in_argv_arrives_byte_for_byte(tmp_path: Path) -> None:
    step = 'argv: [sh, -c, \'printf %s "$1" > "$2"\', sh, "${item}", "out-${item_index}"]'
    assert written(run(tmp_path, over_values(step), {"values": VALUES})) == expected("")  # type: ignore[dict-item]
    text = 'argv: [sh, -c, \'printf %s "$1" > "$2"\', sh, " <${item}> ", "out-${item_index}"]'
    assert written(run(tmp_path / "2", over_values(text), {"values": VALUES})) == expected(" <{}> ")  # type: ignore[dict-item]


def test_a_value_in_env_arrives_byte_for_byte(tmp_path: Path) -> None:
    step = 'command: printf %s "$V$W" > out-$I\nenv: {V: "${item}", W: "<${item}>", I: "${item_index}"}'
    assert written(run(tmp_path, over_values(step), {"values": VALUES})) == expected("{0}<{0}>")  # type: ignore[dict-item]


def test_a_value_in_the_env_of_the_document_arrives_byte_for_byte(tmp_path: Path) -> None:
    step = "- {id: a, kind: cli, command: 'printf %s \"$V\" > out'}"
    for index, value in enumerate(VALUES):
        ran = run(tmp_path / str(index), step, {"v": value}, head="defaults: {env: {V: '${inputs.v}'}}")
        assert ran.read("out").decode() == value


def test_a_value_in_stdin_arrives_byte_for_byte(tmp_path: Path) -> None:
    step = 'command: cat > out-${item_index}\nstdin: "${item}"'
    assert written(run(tmp_path, over_values(step), {"values": VALUES})) == expected("")  # type: ignore[dict-item]
    text = 'command: cat > out-${item_index}\nstdin: "<${item}>\\n"'
    assert written(run(tmp_path / "2", over_values(text), {"values": VALUES})) == expected("<{}>\n")  # type: ignore[dict-item]


def test_a_value_in_cwd_names_that_folder(tmp_path: Path) -> None:
    text = document(over_values('command: ": > here"\ncwd: "d/${item}"'))
    names = [value for value in VALUES if value and "/" not in value]
    ran = Running(tmp_path, text, {"values": names})  # type: ignore[dict-item]
    for name in names:
        (ran.folder / "d" / name).mkdir(parents=True)
    assert ran.drive().status == "completed"
    assert [(ran.folder / "d" / name / "here").exists() for name in names] == [True] * len(names)
    assert not (ran.folder / "canary").exists()


@pytest.mark.parametrize("value", [0, -1.5, True, [1, "a b"], {"k": "'\"$(touch canary)"}])
def test_values_that_are_no_text_travel_as_json(tmp_path: Path, value: object) -> None:
    steps = """
- id: a
  kind: cli
  command: printf "%s\\n" ${inputs.v} "${inputs.v}" "$V"; cat
  env: {V: "${inputs.v}"}
  stdin: "${inputs.v}"
  parse: lines
- {id: e, kind: end, result: ["${steps.a.outputs}", "${json(inputs.v)}"]}
"""
    lines, shown = run(tmp_path, steps, {"v": value}).result  # type: ignore[dict-item,misc]
    assert lines == [shown] * 4


# -- what cannot travel ----------------------------------------------------------------------------

SMALL = [
    "command: 'printf %s ${inputs.v} > out'",
    "argv: [printf, '%s', '${inputs.v}']",
    "command: 'true', env: {V: '${inputs.v}'}",
]


@pytest.mark.parametrize(
    ("value", "remedy"),
    [
        ("a\0b", "pass it through `stdin`"),
        ("x" * (120 * 1024 + 1), "pass it through `stdin`"),
        ("\ud800", "mend the value"),
    ],
    ids=["NUL", "too long", "no text"],
)
@pytest.mark.parametrize("fields", [*SMALL, "command: 'true', cwd: 'd${inputs.v}'"])
def test_what_no_process_can_be_given_fails_the_step_with_the_remedy(
    tmp_path: Path, fields: str, value: str, remedy: str
) -> None:
    ran = run(tmp_path, f"- {{id: a, kind: cli, {fields}}}", {"v": value})
    assert (ran.error["code"], ran.exit_code, ran.error["step_key"]) == ("ERR_STEP_FAILED", 30, "a")
    assert remedy in str(ran.error["message"])
    assert ran.read("out") == b""


@pytest.mark.parametrize("fields", SMALL)
def test_120_kib_can_travel(tmp_path: Path, fields: str) -> None:
    assert run(tmp_path, f"- {{id: a, kind: cli, {fields}}}", {"v": "x" * (120 * 1024)}).status == "completed"


def test_stdin_takes_nul_and_any_length(tmp_path: Path) -> None:
    value = "a\0b" * 100_000
    ran = run(tmp_path, "- {id: a, kind: cli, command: cat > out, stdin: '${inputs.v}'}", {"v": value})
    assert ran.read("out") == value.encode()


@pytest.mark.parametrize(
    "fields",
    [
        "command: 'echo $((${inputs.v}))'",
        "command: 'echo `echo ${inputs.v}`'",
        "command: '[[ ${inputs.v} == x ]]', shell: bash",
        "command: 'eval echo ${inputs.v}'",
        "command: 'unset ${inputs.v}'",
        "command: 'echo $((V))', env: {V: '${inputs.v}'}",
        "command: 'echo ${inputs.v}', shell: pwsh",
    ],
)
def test_places_that_evaluate_are_refused_before_anything_runs(tmp_path: Path, fields: str) -> None:
    with pytest.raises(DocumentError):
        run(tmp_path, f"- {{id: a, kind: cli, {fields}}}", {"v": "1"})


def test_a_number_may_stand_where_bash_evaluates(tmp_path: Path) -> None:
    inputs = "{type: object, properties: {v: {type: integer}}, required: [v]}"
    steps = "- {id: a, kind: cli, command: 'echo $((V + 1))', env: {V: '${inputs.v}'}, shell: bash}\n"
    ran = run(tmp_path, steps + "- {id: e, kind: end, result: '${steps.a.stdout}'}", {"v": 41}, inputs=inputs)
    assert ran.result == "42\n"
