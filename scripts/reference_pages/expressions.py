"""The page on expressions: operators, functions and macros, with values that the evaluator gave."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Scope, parse
from checkpointflow.expressions.frame import MAX_SIZE, MAX_STEPS
from checkpointflow.expressions.functions import BUILTINS, MACROS, SPECIAL_FORMS, Builtin
from checkpointflow.expressions.parser import _LEVELS, MAX_DEPTH, MAX_LENGTH
from checkpointflow.values import JsonObject, dump
from reference_pages.markdown import code, codes, page, table

INPUT: JsonObject = {"name": "Ada", "n": 3, "tags": ["x", "y"], "page-id": "home"}
INPUTS: JsonObject = {
    "type": "object",
    "properties": {
        "name": {"type": "string"},
        "n": {"type": "integer"},
        "tags": {"type": "array", "items": {"type": "string"}},
        "page-id": {"type": "string"},
        "nick": {"type": "string"},
    },
    "required": ["name", "n", "tags", "page-id"],
    "additionalProperties": False,
}
SCOPE = Scope(roots={"inputs": INPUTS})

SEEN = (
    ("inputs", "the workflow's input, defaults applied"),
    (
        "steps.ID",
        "`status` (`pending`, `completed`, `skipped`, `failed`), `outputs` (null until completed; of several visits "
        "the last), `error` after a failure (`code`, `message`, `details`), and what its "
        "[kind](document.md#kinds) adds",
    ),
    ("item, item_index", "inside a `foreach`"),
    ("event", "the answer, in `transitions`"),
    ("run", "`id`, `workflow_id`, `started_at`"),
    ("secrets.NAME", "a [secret](../how-to/keep-a-secret.md), in the places that may have one"),
)
PATHS = ("inputs.name", "inputs.tags[0]", "inputs.page-id", 'inputs["page-id"]', "inputs.nick")
LITERALS = ("\"it's \" + 'so'", r'r"C:\new"', "0x1F", "1.5e3", '[1, "a", null, true]', '{"a": [1, 2]}')

OPERATORS: Mapping[tuple[str, ...], tuple[str, tuple[str, ...]]] = {
    ("! x", "- x"): ("not; the other sign", ('!(inputs.name == "Bob")', "-inputs.n")),
    ("*", "/", "%"): (
        "times, divided by, remainder; whole numbers are cut toward zero",
        ("inputs.n / 2", "inputs.n / 2.0", "-7 % 3"),
    ),
    ("+", "-"): ("plus and minus; `+` also joins texts or lists", ("inputs.n + 1", 'inputs.name + "!"', "[1] + [2]")),
    ("==", "!=", "<", "<=", ">", ">=", "in"): (
        "equal and not; the order of numbers, texts or booleans; whether a list has an item or an object a key",
        ("inputs.n == 3.0", '"a" < "b"', '"y" in inputs.tags', '"nick" in inputs'),
    ),
    ("not x",): ("not, for all of a comparison", ("not inputs.n == 3",)),
    ("&&", "and"): ("both", ('inputs.n > 2 && inputs.name != "Bob"',)),
    ("||", "or"): ("one of them, or both", ('inputs.n > 5 || inputs.name == "Ada"',)),
    ("a ? b : c",): ("b if a is true, else c", ('inputs.n > 2 ? "many" : "few"',)),
}
"""By how tightly they bind, the tightest first."""

CALLS: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "size": ("size(x)", ("size(inputs.tags)", "inputs.name.size()")),
    "contains": ("text.contains(part)", ('inputs.name.contains("d")',)),
    "startsWith": ("text.startsWith(part)", ('inputs.name.startsWith("A")',)),
    "endsWith": ("text.endsWith(part)", ('inputs.name.endsWith("a")',)),
    "matches": ("text.matches(pattern)", ()),
    "int": ("int(x)", ('int("7") + inputs.n', "int(2.9)")),
    "double": ("double(x)", ("double(inputs.n)", 'double("1.5")')),
    "string": ("string(x)", ('string(inputs.n) + "x"',)),
    "bool": ("bool(x)", ('bool("true")',)),
    "dyn": ("dyn(x)", ("dyn(inputs.n)",)),
    "json": ("json(x)", ("json(inputs.tags)",)),
}
FORMS: Mapping[str, tuple[str, str, tuple[str, ...]]] = {
    "default": (
        "default(path, x)",
        "The value of the path; x if that is missing or null.",
        ('default(inputs.nick, "nobody")',),
    ),
    "has": ("has(a.b)", "Whether the last name of the path is there.", ("has(inputs.nick)", "has(inputs.name)")),
    "all": ("list.all(t, test)", "Whether all items pass the test.", ("inputs.tags.all(t, size(t) == 1)",)),
    "exists": ("list.exists(t, test)", "Whether an item passes.", ('inputs.tags.exists(t, t == "z")',)),
    "exists_one": (
        "list.exists_one(t, test)",
        "Whether exactly one passes; also `existsOne`.",
        ('inputs.tags.exists_one(t, t == "x")',),
    ),
    "filter": ("list.filter(t, test)", "The items that pass.", ('inputs.tags.filter(t, t > "x")',)),
    "map": (
        "list.map(t, x)",
        "What x is for each item; in `list.map(t, test, x)`, for each that passes.",
        ('inputs.tags.map(t, t + "!")', 'inputs.tags.map(t, t != "x", t + "!")'),
    ),
}
SAME = {"existsOne": "exists_one"}

MANNERS = (
    ("a bare word on the right of `==` or `!=` is text", "inputs.name == Ada"),
    (
        "a text compared with a number, a boolean or null: their lower-cased texts are compared, null being `none`",
        'inputs.n == "3"',
    ),
    ("`and`, `or` and `not` are operators", 'inputs.n > 5 or not inputs.name == "Bob"'),
    ("a `-` joins a name that a schema declares", "inputs.page-id"),
)
DIFFERENCES = (
    ("a whole number and a fraction can be added, subtracted, multiplied and divided", "inputs.n + 0.5"),
    ("a path that its schema allows to be absent is null", "inputs.nick == null"),
    ("`default(path, x)` and `json(x)` are added", "default(inputs.nick, json([1]))"),
    ("names are checked when the document is loaded: nothing makes up for one that is not there", "true || inputs.nam"),
    ("the keys of objects are text", "{1: 2}"),
    ("there is one kind of whole number, of 64 bits with a sign", "9223372036854775807 + 1"),
    ("a value that JSON does not have is no result", "1.0 / 0.0"),
)


def value_of(source: str) -> str:
    """Return the value of an expression for the input of the page; the error in words if it has none."""
    try:
        return code(dump(parse(source, SCOPE).evaluate({"inputs": INPUT})))
    except ExpressionError as error:
        return f"refused: {error.message}"


def valued(sources: Iterable[str]) -> str:
    """Return expressions with their values, one on each line of a cell."""
    return "<br>".join(f"{code(source)} is {value_of(source)}" for source in sources)


def noted(source: str) -> str:
    """Return what the loader warns of in an expression."""
    notes = parse(source, SCOPE).notes
    return "; ".join(f"{note.message}. {note.hint}" for note in notes) or "none"


def function_rows() -> list[list[str]]:
    """Return a row for each function and macro."""
    assert {*CALLS} == {*BUILTINS}
    assert {*FORMS} == {*MACROS, *SPECIAL_FORMS} - {*SAME}
    rows = [[code(form), _told(BUILTINS[name]), valued(examples)] for name, (form, examples) in CALLS.items()]
    forms = [[code(form), meaning, valued(examples)] for form, meaning, examples in FORMS.values()]
    return forms[:2] + rows + forms[2:]


def _told(builtin: Builtin) -> str:
    assert builtin.call.__doc__
    return builtin.call.__doc__


def operator_rows() -> list[list[str]]:
    """Return a row for each level of operators, which are those of the parser, in its order."""
    symbols = [symbol for level in OPERATORS for symbol in level]
    levels = [_LEVELS.get(symbol.removesuffix(" x")) for symbol in symbols if symbol in _LEVELS or symbol == "not x"]
    assert levels == sorted(filter(None, levels), reverse=True), "the page has another order than the parser"
    assert {*_LEVELS} <= {symbol.removesuffix(" x") for symbol in symbols}
    return [[codes(level), meaning, valued(examples)] for level, (meaning, examples) in OPERATORS.items()]


def expressions_page() -> str:
    """Return the page."""
    return page(
        "Expressions",
        "`${ … }` holds one expression: a subset of CEL, the Common Expression Language. It has no side effects, no "
        "clock, and always ends. `if`, `when` and `items` may stand with or without the `${ }`.\n",
        "A text that is exactly one `${…}`, blanks around it aside, keeps the value's type. Inside more text, text "
        "goes in as it is, null as nothing, anything else as JSON. `$${` is a literal `${`.\n",
        "## What it sees\n",
        table(["name", "holds"], [[codes(name.split(", ")), holds] for name, holds in SEEN]),
        "Steps of an inner list are seen only inside it; afterwards read them through the step around them. Step ids "
        "and, where a schema says so, names of inputs and outputs are known before anything runs: an unknown one is a "
        "problem with a suggestion. A path that its schema allows to be absent is null. One without a schema that "
        "turns out to be missing fails the step that needs it.\n",
        "## What it can say\n",
        f"The values in the tables are those for the input `{json.dumps(INPUT)}`, where the optional text `nick` was "
        "left out.\n",
        "### Values and paths\n",
        table(["expression", "value"], [[code(source), value_of(source)] for source in (*PATHS, *LITERALS)]),
        "A `-` joins a name where the schema declares that name, or where there is no schema and no blank stands "
        'beside it: put blanks around a minus. Names with other characters stand in brackets, `steps["a+b"]`. '
        "Whole numbers have 64 bits, and an overflow is an error.\n",
        "### Operators\n",
        "Those that bind most tightly stand first; `( )` changes that. Conditions have to be booleans.\n",
        table(["operators", "mean", "examples"], operator_rows()),
        "### Functions and macros\n",
        "A macro goes over the items of a list or the keys of an object, and gives each in turn the name that is its "
        "first word.\n",
        table(["form", "gives", "examples"], function_rows()),
        "There are no others: no upper case, no splitting, no dates. What expressions cannot do, a command does.\n",
        "## From 1.x\n",
        "Documents of checkpointflow 1.x are read with its manners. `cpf validate` warns of those that are easily "
        "misread:\n",
        table(
            ["manner", "example", "warning"],
            [[told, f"{code(source)} is {value_of(source)}", noted(source)] for told, source in MANNERS],
        ),
        "## Other than in CEL\n",
        "What JSON does not have is left out: unsigned numbers, bytes, timestamps, durations, types as "
        "values, messages. Besides:\n",
        table(["here", "example"], [[told, f"{code(source)} is {value_of(source)}"] for told, source in DIFFERENCES]),
        "The official test vectors of CEL for what is left run in the tests of this project.\n",
        "## Bounds\n",
        f"An expression has at most {MAX_LENGTH:,} characters and {MAX_DEPTH} levels, takes at most "
        f"{MAX_STEPS:,} steps, and gives at most {MAX_SIZE:,} characters.\n",
    )
