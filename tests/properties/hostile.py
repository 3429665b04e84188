"""Sound documents made hostile: bytes, lines, keys, values and whole documents changed by seeded chance."""

from __future__ import annotations

import json
import random
import re
from collections.abc import Callable, Iterator
from copy import deepcopy
from pathlib import Path
from typing import TypeAlias

from checkpointflow.errors import CheckpointflowError
from checkpointflow.frontends.document.strict_yaml import parse
from checkpointflow.values import JsonObject, JsonValue
from cli import documents
from doubtful_documents import DOUBTFUL

Chance: TypeAlias = random.Random
Mutated: TypeAlias = "str | bytes"

ROOT = Path(__file__).parents[2]
_KEY = re.compile(r"""(?<![\w.])([A-Za-z_][\w-]*)(?=:(?:\s|$))""", re.MULTILINE)
_VALUE = re.compile(r":[ ]+(?=\S)")


def corpus() -> list[str]:
    """Return documents to begin with: the examples, the templates, and those of the tests."""
    folders = [ROOT / "examples", ROOT / "examples" / "sub", ROOT / "src/checkpointflow/cli/templates"]
    texts = [file.read_text(encoding="utf-8") for folder in folders for file in sorted(folder.glob("*.yaml"))]
    texts += [text for name, text in sorted(vars(documents).items()) if name.isupper()]
    return texts + [one.text for one in DOUBTFUL]


# -- hostile pieces --------------------------------------------------------------------------------

WORDS = [
    *("", " ", "\t", "\n", "\r", "\x00", "\x07", "\x1b[31m", "\x7f", "\x85", "\u2028", "\ufeff", "\ufffe", "\ud800"),
    *(
        "\udfff",
        "é",
        "ß",
        "İ",
        "ﬁ",
        "𝕏",
        "👩‍👩‍👧",
        "\u202e",
        "a\u0301",
        "null",
        "~",
        "true",
        "yes",
        "on",
        "end",
        "END",
        ".",
    ),
    *("..", "/", "/etc/passwd", "../../x", "~/x", "C:\\x", "-", "--", "-x", "- ", ":", ": ", "?", "? ", "#", " #", "|"),
    *(">", "|2", ">-", "&a", "&a x", "*a", "*", "!", "!!str", "!!python/object:os.system", "!x y", "<<", "<<: *a", "%"),
    *("@", "`", "{", "}", "[", "]", "{}", "[]", "[[", "{{", '"', "'", '"a', "'a", '"\\ud800"', '"\\x00"', '"\\q"', "0"),
    *("-0", "00", "0o777", "0x1F", "1e3", "1e400", "-1e-400", ".inf", "-.INF", ".nan", "1_000", "1:30", "2030-01-01"),
    *(
        "9" * 18,
        "9" * 19,
        "9" * 400,
        "1" + "0" * 5000,
        "0x" + "f" * 3000,
        "--- x",
        "---",
        "...",
        "\n---\n",
        "%YAML 1.1",
    ),
    *(
        "checkpointflow/v1",
        "checkpointflow/v2",
        "cli",
        "api",
        "python",
        "set",
        "foreach",
        "parallel",
        "workflow",
        "switch",
    ),
    *(
        "exponential",
        "idempotent",
        "timeout",
        "exit:1",
        "http:5xx",
        "OSError",
        "GET",
        "https://x.test/",
        "http://[::1",
        "x:y",
    ),
]
EXPRESSIONS = [
    *("${", "${}", "${ }", "}", "$${", "${${inputs.x}}", "${inputs", "${inputs.}", "${inputs.x", "${inputs.x}}"),
    *("${'}", '${"}', "${`}", "${//}", "${inputs.x//}", "${9223372036854775808}", "${1 +}", "${1 / 0}"),
    *("${1e309}", "${0x}", "${'\\ud800'}", "${inputs.steps}", "${steps}", "${steps.x.y}", "${item}", "${event.x}"),
    *("${run.id}", "${secrets.x}", "${inputs == inputs}", "${inputs.a-b}", "${a == b}", "${not not true}", "${x ? y}"),
    *("${has(inputs.x)}", "${has(1)}", "${default()}", "${[1].map(x, x)}", "${[1].map(1, x)}", "${{'a': 1}['a']}"),
    *("${{1: 2}}", "${inputs['x']}", "${inputs[0]}", "${inputs[inputs]}", "${'a'.matches('(a+)+$')}", "${size('a')}"),
    *("${" + "(" * 70 + "1" + ")" * 70 + "}", "${" + "[" * 70 + "]" * 70 + "}", "${" + "!" * 3000 + "true}"),
    *("${" + "-" * 3000 + "1}", "${" + " + ".join(["1"] * 3000) + "}", "${" + "inputs.x" * 3000 + "}"),
    *("${inputs" + ".x" * 3000 + "}", "${inputs.x" + "[0]" * 3000 + "}", "${" + "size(" * 90 + "1" + ")" * 90 + "}"),
    *("${" + "true ? 1 : " * 500 + "2}", "${" + "[1].map(x, " * 70 + "1" + ")" * 70 + "}", "${'" + "a" * 20_000 + "'}"),
    *("${" * 500, "${" * 100 + "}" * 100, "$" * 2000, "${inputs.x}" * 300, "${1+}" * 300, "${" + " " * 20_000 + "}"),
]  # fmt: skip
COMMANDS = [
    *("$(", "$((", "`", "$[", "${!x}", "$'", '$"', "<<E", "<<'E'\n${inputs.x}\nE", "((", "[[ ", "a[", "eval "),
    *("case x in", "if ", "then", "fi", "done", "for ((", "for x in", "function ", "x=(", "&>", ">&", "|&", "\\\n"),
    *("sh -c ${inputs.x}", "x=${inputs.x}; sh -c $x", "echo \\${inputs.x}", "$(" * 60, "{", "{ " * 200, "`a" * 99),
    *("(" * 200, "a[$x]=1"),
]  # fmt: skip


def _deep(chance: Chance) -> JsonValue:
    value: JsonValue = chance.choice([1, "x", [], {}])
    for _ in range(chance.choice([5, 60, 95, 101, 300])):
        value = [value] if chance.random() < 0.5 else {"a": value}
    return value


def _schema(chance: Chance) -> JsonValue:
    keys = ["type", "properties", "items", "enum", "$ref", "pattern", "format", "required", "additionalProperties"]
    keys += ["allOf", "anyOf", "not", "const", "default", "minimum", "$id", "$defs", "if", "patternProperties"]
    values: list[JsonValue] = [
        "string",
        "strin",
        ["string", 1],
        {"x": {"type": "object"}},
        {"a": 1},
        [],
        [{}],
        True,
        -1,
    ]
    values += [
        "#",
        "#/$defs/a",
        "https://x.test/a",
        "(",
        "(a+)+$",
        "a{1,999}",
        "date",
        "nonsense",
        {"a": {"$ref": "#"}},
        None,
    ]
    return {key: chance.choice(values) for key in chance.sample(keys, chance.randint(1, 4))}


def value(chance: Chance) -> JsonValue:
    """Return any JSON that an author would hardly write."""
    makers: list[Callable[[], JsonValue]] = [
        lambda: chance.choice(WORDS),
        lambda: chance.choice(EXPRESSIONS),
        lambda: chance.choice(COMMANDS),
        lambda: chance.choice([None, True, False, [], {}, [[]], [{}], {"": {}}, [None], 0, -1, 1.5, 1e308, -0.0]),
        lambda: chance.choice([2**53, 2**63, -(2**63) - 1, 10**40, 10**1200]),
        lambda: chance.choice("ax${ '\"\n.-é") * chance.choice([100, 3000, 40_000]),
        lambda: _deep(chance),
        lambda: _schema(chance),
        lambda: [value(chance) for _ in range(chance.randint(1, 3))],
        lambda: {str(chance.choice(WORDS)): value(chance)},
    ]
    return chance.choice(makers)()


# -- changes of the text ---------------------------------------------------------------------------


def change_bytes(text: str, chance: Chance, _texts: list[str]) -> Mutated:
    data = bytearray(text.encode("utf-8", "surrogatepass"))
    for _ in range(chance.randint(1, 6)):
        at = chance.randrange(len(data) + 1)
        how = chance.randrange(4)
        if how == 0:
            data[at : at + 1] = bytes([chance.randrange(256)])
        elif how == 1:
            data[at:at] = bytes(chance.randrange(256) for _ in range(chance.randint(1, 4)))
        elif how == 2:
            del data[at : at + chance.choice([1, 2, 40])]
        else:
            data[at:at] = data[: chance.randint(1, 60)]
    return bytes(data)


def change_pieces(text: str, chance: Chance, _texts: list[str]) -> Mutated:
    for _ in range(chance.randint(1, 4)):
        at = chance.randrange(len(text) + 1)
        end = min(len(text), at + chance.choice([0, 0, 1, 5, 20, 200]))
        text = text[:at] + str(chance.choice([*WORDS, *EXPRESSIONS, *COMMANDS])) + text[end:]
    return text


def change_lines(text: str, chance: Chance, _texts: list[str]) -> Mutated:
    lines = text.split("\n")
    for _ in range(chance.randint(1, 4)):
        at, other = chance.randrange(len(lines)), chance.randrange(len(lines))
        how = chance.randrange(5)
        if how == 0:
            lines[at] = ""
        elif how == 1:
            lines.insert(other, lines[at])
        elif how == 2:
            lines[at], lines[other] = lines[other], lines[at]
        elif how == 3:
            lines[at] = chance.choice([" ", "  ", "    ", "\t", "- "]) + lines[at]
        else:
            lines[at] = lines[at].removeprefix(chance.choice([" ", "  ", "    "]))
    return chance.choice(["\n", "\n", "\n", "\r\n", "\r"]).join(lines)


def change_keys(text: str, chance: Chance, _texts: list[str]) -> Mutated:
    keys = list(_KEY.finditer(text))
    for found in chance.sample(keys, min(len(keys), chance.randint(1, 3))):
        name = chance.choice([*(one.group() for one in keys), found.group()[1:], found.group() * 2, *WORDS])
        text = text[: found.start()] + name + text[found.end() :]
        keys = list(_KEY.finditer(text))
    return text


def change_values(text: str, chance: Chance, _texts: list[str]) -> Mutated:
    for _ in range(chance.randint(1, 3)):
        places = list(_VALUE.finditer(text))
        if not places:
            break
        at = chance.choice(places).end()
        end = text.find("\n", at) if chance.random() < 0.7 else at
        written = value(chance)
        is_bare = isinstance(written, str) and chance.random() < 0.5
        piece = str(written) if is_bare else json.dumps(written, ensure_ascii=chance.random() < 0.5)
        text = text[:at] + piece + text[end if end >= 0 else len(text) :]
    return text


def splice(text: str, chance: Chance, texts: list[str]) -> Mutated:
    other = chance.choice(texts).split("\n")
    lines = text.split("\n")
    start, stop = sorted(chance.randrange(len(other) + 1) for _ in range(2))
    at = chance.randrange(len(lines) + 1)
    return "\n".join([*lines[:at], *other[start:stop], *lines[at + chance.choice([0, 0, 3]) :]])


# -- changes of the tree ---------------------------------------------------------------------------


def change_tree(text: str, chance: Chance, _texts: list[str]) -> Mutated:
    tree = _tree(text)
    for _ in range(chance.randint(1, 3)):
        places = list(_places(tree))
        if not places:
            break
        owner, key = chance.choice(places)
        how = chance.randrange(5)
        if how == 0:
            del owner[key]  # type: ignore[arg-type]
        elif how == 1 and isinstance(owner, dict):
            owner[str(chance.choice(WORDS))] = owner.pop(str(key))
        else:
            owner[key] = value(chance)  # type: ignore[index]
    return _written(tree, chance)


def move_keys(text: str, chance: Chance, texts: list[str]) -> Mutated:
    """Move fields between steps, and steps between lists and documents."""
    tree = _tree(text)
    steps = list(_steps(tree))
    others = list(_steps(_tree(chance.choice(texts)))) or [{}]
    steps = steps or others
    for _ in range(chance.randint(1, 4)):
        taken, given = chance.choice([*steps, *others]), chance.choice(steps)
        for key in chance.sample(list(taken), min(len(taken), chance.randint(1, 3))):
            given[key] = deepcopy(taken[key])
        if chance.random() < 0.3:
            given["body"] = [deepcopy(chance.choice([*steps, *others]))]
            given["kind"] = chance.choice(["foreach", given.get("kind", "cli"), "parallel"])
    return _written(tree, chance)


def _tree(text: str) -> JsonObject:
    return parse(text).tree


def _written(tree: JsonValue, chance: Chance) -> str:
    return json.dumps(tree, ensure_ascii=chance.random() < 0.5, indent=chance.choice([None, 1, 2]))


def _places(node: JsonValue) -> Iterator[tuple[JsonObject | list[JsonValue], str | int]]:
    keys = list(node) if isinstance(node, dict) else range(len(node)) if isinstance(node, list) else ()
    for key in keys:
        yield node, key  # type: ignore[misc]
        yield from _places(node[key])  # type: ignore[index, call-overload]


def _steps(node: JsonValue) -> Iterator[JsonObject]:
    if isinstance(node, dict) and "kind" in node:
        yield node
    for inner in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _steps(inner)


CHANGES = [
    *(change_bytes, change_pieces, change_lines, change_keys, change_values, change_values, splice),
    *(change_tree, change_tree, change_tree, move_keys, move_keys),
]


def mutated(chance: Chance, texts: list[str]) -> Mutated:
    """Return a document with a few changes."""
    text: Mutated = chance.choice(texts)
    for _ in range(chance.choice([1, 1, 2])):
        if isinstance(text, str):
            try:
                text = chance.choice(CHANGES)(text, chance, texts)
            except CheckpointflowError:
                break
            except Exception as error:
                if type(error).__name__ != "SyntaxProblem":
                    raise
    return text
