"""The promises of reading documents: strict YAML with places, files that name each other, definitions that are kept."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from checkpointflow.errors import DocumentError, FileMissingError, UnknownKindError, UnsupportedError, YamlError
from checkpointflow.frontends.document.loader import (
    Loaded,
    load_file,
    load_text,
    open_definition,
)
from checkpointflow.frontends.document.strict_yaml import decode, parse
from checkpointflow.frontends.document.yaml_problems import SyntaxProblem

COMPAT = Path(__file__).parents[2].parent / "shared" / "compat"
HEAD = "schema_version: checkpointflow/v1\nworkflow:\n  id: t\n  inputs: {type: object}\n  steps:\n"


def document(steps: str) -> str:
    return HEAD + "\n".join(f"  {line}" for line in steps.splitlines()) + "\n"


def call(ref: str) -> str:
    return document(f"- {{id: w, kind: workflow, workflow_ref: {ref}}}")


def load(text: str, cwd: Path) -> Loaded:
    return load_text(text, source_path=None, cwd=cwd)


# -- YAML ------------------------------------------------------------------------------------------


def test_scalars_are_those_of_yaml_1_2() -> None:
    text = """
on: yes
off: [no, y, n]
true_: [true, True, FALSE]
none: [null, ~, ]
day: 2024-01-31
time: 12:30:00
ints: [0x1F, 0o17, 0123, -5, +5]
floats: [1.5, .5, 1., 1e3, -1.5E-2]
quoted: ["1", 'true', !!str 7]
big: 123456789012345678901234567890
under: 1_000
"""
    assert parse(text).tree == {
        "on": "yes",
        "off": ["no", "y", "n"],
        "true_": [True, True, False],
        "none": [None, None],
        "day": "2024-01-31",
        "time": "12:30:00",
        "ints": [31, 15, 123, -5, 5],
        "floats": [1.5, 0.5, 1.0, 1000.0, -0.015],
        "quoted": ["1", "true", "7"],
        "big": 123456789012345678901234567890,
        "under": "1_000",
    }


def test_a_json_file_is_read_as_json_would_read_it() -> None:
    value = {"a": ["\U0001f600 \\ud83d", 1.5, None, True, "tab\there", "/"], "b": {"c": "ü\n"}}
    assert parse(json.dumps(value, indent="\t")).tree == value
    assert parse(json.dumps(value).replace("/", "\\/")).tree == value


def test_a_byte_order_mark_is_no_part_of_the_text() -> None:
    assert parse(decode(b"\xef\xbb\xbfa: 1")).tree == {"a": 1}


@pytest.mark.parametrize("data", ["a: 1".encode("utf-16"), "a: 1".encode("utf-16-le"), "a: 1".encode("utf-32")])
def test_other_encodings_are_refused_with_the_remedy(data: bytes) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        decode(data)
    assert caught.value.hint == "save it as UTF-8"


def test_bytes_that_are_no_utf_8_are_refused_where_they_stand() -> None:
    with pytest.raises(SyntaxProblem) as caught:
        decode(b"a: 1\nb: \xff\n")
    assert (caught.value.place.line, caught.value.place.column) == (2, 4)


@pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "python"])
@pytest.mark.parametrize(
    ("text", "line", "column", "says", "hint"),
    [
        ("a:\n\tb: 1\n", 2, 1, "not YAML", "replace the tab"),
        ("a:\n  b: 1\n c: 2\n", 3, 2, "not YAML", "line it up with line 2, column 3 (`b`)"),
        ("s:\n  - id: a\n    kind: b\n   - id: c\n", 4, 4, "not YAML", "line it up with line 2, column 3 (`-`)"),
        ("s:\n- id: a\n   kind: b\n", 3, 8, "not YAML", "line it up with line 2, column 3 (`id`)"),
        ('s:\n- id: a\n   c: "b"\n', 3, 5, "not YAML", "line it up with line 2, column 3 (`id`)"),
        ("s:\n- id: a\n  k: b\n c: |\n  x\n", 4, 2, "not YAML", "line it up with line 3, column 3 (`k`)"),
        ("a: see: this\n", 1, 7, "not YAML", "colon and a blank"),
        ("a: @x\n", 1, 4, "not YAML", "begins with `@` has to stand in quotes"),
        ("a: `x`\n", 1, 4, "not YAML", "has to stand in quotes"),
        ("a: %x\n", 1, 4, "not YAML", "begins with `%` has to stand in quotes"),
        ("a: {x} y\n", 1, 8, "not YAML", "begins with it has to stand in quotes"),
        ("a: {{x}}\n", 1, 5, "a key is not plain text", "has to stand in quotes"),
        ("a: {b: 1\nc: 2\n", 2, 2, "not YAML", "close the bracket that line 1 opens"),
        ("a: *.txt\n", 1, 5, "not YAML", "begins with `*` has to stand in quotes"),
        ("a: 'x\nb: 1\n", 1, 4, "opened here and never closed", "close it"),
        ('a: "x" y\n', 1, 8, "not YAML", "quote the whole text"),
        ("x: &x {a: 1}\ny:\n  <<: *x\n", 3, 3, "merge keys", "write the fields out"),
        ("a: !secret x\n", 1, 4, "the tag `!secret` is not read", "remove it"),
        ("a: !!python/name:os.system x\n", 1, 4, "is not read", "remove it"),
        ("a: *b\n", 1, 4, "names nothing written before it", "quotes"),
        ("a: &a [1, *a]\n", 1, 11, "stands inside itself", ""),
        ("a: b\x07c\n", 1, 5, "U+0007", "remove it"),
        ('a: "b\\0c"\n', 1, 4, "U+0000", "escape"),
        ("a: .inf\n", 1, 4, "no number that JSON can hold", "quotes"),
        ("a: 1e999\n", 1, 4, "no number that JSON can hold", "quotes"),
        (f"a: {'9' * 5000}\n", 1, 4, "too many digits", "quotes"),
        ("", 1, 1, "is empty", "cpf init"),
        ("# nothing\n", 1, 1, "is empty", "cpf init"),
        ("---\n", 2, 1, "is empty", "cpf init"),
        ("a: 1\n---\nb: 2\n", 2, 1, "a second document begins here", "file of its own"),
        ("- a\n", 1, 1, "no mapping", "schema_version"),
        ("a: " + "[" * 500, 1, 104, "nested more than 100 levels deep", ""),
        ("? [a]\n: 1\n", 1, 3, "a key is not plain text", ""),
    ],
)
def test_what_cannot_be_read_says_where_and_how_to_mend_it(
    text: str, line: int, column: int, says: str, hint: str, pure: bool
) -> None:
    with pytest.raises(SyntaxProblem) as caught:
        parse(text, pure=pure)
    problem = caught.value
    assert (problem.place.line, problem.place.column) == (line, column)
    assert says in problem.message
    assert hint in problem.hint


@pytest.mark.parametrize("pure", [False, True], ids=["libyaml", "python"])
def test_all_keys_that_stand_twice_are_found_and_the_first_value_is_read(pure: bool) -> None:
    read = parse("a: 1\nb: {c: 2, c: 3}\na: 4\n", pure=pure)
    assert read.tree == {"a": 1, "b": {"c": 2}}
    assert [(one.place.line, one.place.column, one.hint.split(";")[0]) for one in read.repeated] == [
        (2, 11, "the first is in line 2"),
        (3, 1, "the first is in line 1"),
    ]


def test_aliases_repeat_a_value_without_sharing_it() -> None:
    tree = parse("a: &x {b: [1]}\nc: *x\n").tree
    assert tree == {"a": {"b": [1]}, "c": {"b": [1]}}
    assert tree["a"] is not tree["c"]
    assert tree["a"]["b"] is not tree["c"]["b"]


def test_aliases_cannot_blow_a_document_up() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]" for n in range(1, 12)]
    with pytest.raises(SyntaxProblem, match="aliases expanded"):
        parse("\n".join(lines))
    with pytest.raises(SyntaxProblem, match="aliases expanded"):
        parse(f"a: &a {'x' * 100_000}\nb: [{', '.join(['*a'] * 1000)}]")


def test_a_document_that_is_too_large_is_refused() -> None:
    with pytest.raises(SyntaxProblem, match="larger than 8 MiB"):
        decode(b"#" * (8 * 1024 * 1024 + 1))


def test_every_character_of_a_text_is_found_again() -> None:
    text = """\
plain: one ${x}
double: "a\\n\\u00e9 ${x}"
single: 'it''s ${x}'
literal: |
  one

    two ${x}
stripped: |2-
   ${x}
folded: >
  one
  two ${x}
wrapped: one
  two ${x}
"""
    source = parse(text)
    lines = text.splitlines()
    for name, value in source.tree.items():
        place = source.character_at((name,), value.index("${x}"))
        assert lines[place.line - 1][place.column - 1 :].startswith("${x}"), name


def test_keys_and_values_have_places_of_their_own() -> None:
    source = parse("a:\n  - b: 1\n    c:   2\n")
    assert (source.key_at(("a", 0, "c")).line, source.key_at(("a", 0, "c")).column) == (3, 5)
    assert source.value_at(("a", 0, "c")).column == 10
    assert source.value_at(("a", 0, "missing")).line == 2


# -- files -----------------------------------------------------------------------------------------


def test_a_missing_file_is_named(tmp_path: Path) -> None:
    with pytest.raises(FileMissingError, match=r"`nope\.yaml` cannot be read"):
        load_file("nope.yaml", cwd=tmp_path)
    with pytest.raises(FileMissingError, match="cannot be read"):
        load_file(tmp_path, cwd=tmp_path)


def test_a_file_that_is_no_yaml_is_a_yaml_error_with_its_place(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text("a:\n  b: 1\n c: 2\n")
    with pytest.raises(YamlError) as caught:
        load_file("a.yaml", cwd=tmp_path)
    (problem,) = caught.value.problems
    assert (problem["file"], problem["line"], problem["column"]) == (str(tmp_path / "a.yaml"), 3, 2)
    (tmp_path / "b.yaml").write_bytes("a: 1".encode("utf-16"))
    with pytest.raises(YamlError):
        load_file("b.yaml", cwd=tmp_path)


def test_a_sub_workflow_is_looked_up_from_the_referring_file_then_from_the_working_folder(tmp_path: Path) -> None:
    (tmp_path / "flows").mkdir()
    (tmp_path / "flows" / "main.yaml").write_text(
        document(
            "- {id: a, kind: workflow, workflow_ref: near.yaml}\n- {id: b, kind: workflow, workflow_ref: far.yaml}"
        )
    )
    for folder, name in (("flows", "near"), (".", "near"), (".", "far")):
        text = document("- {id: e, kind: end}").replace("id: t", f"id: {folder.strip('.')}{name}")
        (tmp_path / folder / f"{name}.yaml").write_text(text)
    main = load_file("flows/main.yaml", cwd=tmp_path).document
    assert main.sub_workflow("near.yaml").id == "flowsnear"
    assert main.sub_workflow("far.yaml").id == "far"


def test_a_missing_sub_workflow_and_the_problems_of_the_others_come_together(tmp_path: Path) -> None:
    (tmp_path / "sub.yaml").write_text(document("- {id: e, kind: end, next: nowhere}"))
    (tmp_path / "torn.yaml").write_text("a: [")
    steps = "\n".join(
        f"- {{id: {name}, kind: workflow, workflow_ref: {name}.yaml}}" for name in ("sub", "torn", "nope")
    )
    (tmp_path / "main.yaml").write_text(document(steps))
    with pytest.raises(DocumentError) as caught:
        load_file("main.yaml", cwd=tmp_path)
    found = {
        (Path(str(p["file"])).name, p["code"], p["line"]) for p in caught.value.problems if p["severity"] == "error"
    }
    assert found == {
        ("main.yaml", "ERR_FILE_NOT_FOUND", 8),
        ("sub.yaml", "ERR_VALIDATION_WORKFLOW", 6),
        ("torn.yaml", "ERR_YAML_PARSE", 1),
    }


def test_documents_may_name_each_other_and_themselves(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(call("b.yaml"))
    (tmp_path / "b.yaml").write_text(call("./a.yaml").replace("id: t", "id: b"))
    (tmp_path / "c.yaml").write_text(call("c.yaml"))
    a = load_file("a.yaml", cwd=tmp_path).document
    assert a.sub_workflow("b.yaml").sub_workflow("./a.yaml") is a.library["0"]
    c = load_file("c.yaml", cwd=tmp_path).document
    assert c.sub_workflow("c.yaml").sub_workflow("c.yaml").id == "t"


def test_a_definition_goes_on_without_its_files(tmp_path: Path) -> None:
    (tmp_path / "a.yaml").write_text(call("b.yaml"))
    (tmp_path / "b.yaml").write_text(document("- {id: e, kind: end, result: 7}"))
    loaded = load_file("a.yaml", cwd=tmp_path)
    stored = json.dumps(loaded.stored)
    shutil.rmtree(tmp_path)
    opened = open_definition(json.loads(stored))
    assert opened == loaded.document
    assert opened.sub_workflow("b.yaml").steps[0].fields["result"] == 7


def test_the_hash_covers_texts_and_what_references_resolve_to_but_not_where_files_lie(tmp_path: Path) -> None:
    def hashed(folder: str, main: str, sub: str, other: str = "unused") -> str:
        (tmp_path / folder).mkdir()
        for name, text in (("main", main), ("sub", sub), ("other", other)):
            (tmp_path / folder / f"{name}.yaml").write_text(text)
        return load_file(f"{folder}/main.yaml", cwd=tmp_path).digest

    sub = document("- {id: e, kind: end, result: 1}")
    first = hashed("one", call("sub.yaml"), sub)
    assert hashed("two", call("sub.yaml"), sub) == first
    assert hashed("three", call("sub.yaml"), sub + "# changed\n") != first
    assert hashed("four", call("other.yaml"), sub, sub) != first
    circle = hashed("five", call("sub.yaml"), call("main.yaml"))
    assert hashed("six", call("sub.yaml"), call("main.yaml")) == circle
    assert hashed("seven", call("sub.yaml"), call("main.yaml") + "# changed\n") != circle


def test_a_stored_definition_is_refused_only_for_what_this_version_lacks(tmp_path: Path) -> None:
    definition = load(document("- {id: e, kind: end}"), tmp_path).stored
    definition["documents"]["0"]["tree"]["workflow"]["steps"][0]["kind"] = "teleport"
    with pytest.raises(UnknownKindError, match="teleport"):
        open_definition(definition)
    with pytest.raises(UnsupportedError):
        open_definition({**definition, "version": 99})


def test_opening_a_definition_imports_neither_yaml_nor_json_schema(tmp_path: Path) -> None:
    (tmp_path / "d.json").write_text(json.dumps(load(document("- {id: e, kind: end}"), tmp_path).stored))
    code = (
        "import json, sys, checkpointflow.frontends.document.loader as loader\n"
        "opened = loader.open_definition(json.load(open(sys.argv[1])))\n"
        "print(opened.id, *sorted({'yaml', '_yaml', 'jsonschema_rs', 'difflib', 'asyncio'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code, tmp_path / "d.json"], capture_output=True, text=True, check=True)
    assert done.stdout.split() == ["t"]


def test_fields_of_steps_are_read_into_the_model(tmp_path: Path) -> None:
    text = document(
        "- {id: a, kind: cli, command: 'true', if: true, timeout_seconds: 3, effect: once, on_error: {next: e}}\n"
        "- id: f\n  kind: foreach\n  items: '[1]'\n  body:\n  - {id: b, kind: set, values: {x: 1}}\n"
        "- id: p\n  kind: parallel\n  branches: [{id: left, steps: [{id: c, kind: end}]}]\n"
        "- {id: e, kind: end}"
    )
    document_ = load(text, tmp_path).document
    first, each, fan, _ = document_.steps
    assert (first.when, first.timeout_seconds, first.effect, first.on_error) == ("true", 3.0, "once", "e")
    assert [step.id for step in each.lists["body"]] == ["b"]
    assert each.lists["body"][0].path == ("workflow", "steps", 1, "body", 0)
    assert list(fan.lists) == ["left"]
    assert fan.lists["left"][0].path == ("workflow", "steps", 2, "branches", 0, "steps", 0)
    assert document_.max_visits == 1000


# -- documents of 1.x ------------------------------------------------------------------------------


@pytest.mark.skipif(not COMPAT.is_dir(), reason="the corpus of 1.x documents is not beside this repository")
def test_every_document_of_1_x_loads(tmp_path: Path) -> None:
    files = sorted(COMPAT.glob("*.yaml"))
    for file in files:
        shutil.copy(file, tmp_path)
    (tmp_path / "probes").mkdir()
    shutil.copy(COMPAT / "sub.yaml", tmp_path / "probes" / "sub.yaml")
    loaded = [load_file(file.name, cwd=tmp_path) for file in files]
    assert len(loaded) == len(files) > 20
    warned = [file.stem for file, one in zip(files, loaded, strict=True) if one.problems]
    assert warned == ["publish", "switch-fallthrough"]
