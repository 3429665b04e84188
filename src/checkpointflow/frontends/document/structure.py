"""Checks a tree against the schema of documents, step by step by its kind; what fields mean together is elsewhere."""

from __future__ import annotations

from collections.abc import Iterable
from copy import deepcopy
from functools import cache

from checkpointflow.frontends.document.findings import UNKNOWN_KIND, Findings, Path
from checkpointflow.frontends.document.remedies import STEP_REMEDY, below, what_to_write
from checkpointflow.frontends.document.schema import header_schema, step_schema
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.schemas import Checker, Problem, check, describe, did_you_mean, schema_problems, show
from checkpointflow.values import JsonObject, JsonValue

_PRUNED = frozenset({"type", "enum", "const", "additionalProperties"})
_WHOLE = frozenset({"required", "oneOf"})
_ID_ONLY: JsonObject = {"type": "object", "required": ["id"], "properties": {"id": {"type": "string"}}}
_REASONS = {
    "timeout_seconds": "it belongs on the effects and waits inside",
    "retry": "only effects are tried again",
    "effect": "only effects have it",
    "outputs": "the step has no outputs",
}


def check_structure(tree: JsonObject, findings: Findings) -> JsonObject:
    """Report all that does not fit the schema, and return a copy without it, so that the rest can be checked."""
    clean = deepcopy(tree)
    for found in _without_echoes(check(clean, header_schema())):
        _report_header(found, findings)
        _prune(clean, found)
    workflow = clean.get("workflow")
    if isinstance(workflow, dict):
        _check_schemas(workflow, ("inputs", "outputs"), ("workflow",), findings)
        _check_steps(workflow.get("steps"), ("workflow", "steps"), findings)
    return clean


def check_tree(tree: JsonObject, schema: JsonObject, findings: Findings) -> None:
    """Report all that does not fit a schema of ours which is not that of documents."""
    for found in _without_echoes(check(tree, schema)):
        hint = found.hint or what_to_write(found, schema)
        findings.error(found.path, _subject(found.path, found.message), hint, at_key=_is_about_key(found))


def _report_header(found: Problem, findings: Findings) -> None:
    message, hint = _subject(found.path, found.message), found.hint
    if found.path == ("schema_version",) and found.keyword == "const":
        message = f"{found.message}, the only format there is"
    if found.keyword == "additionalProperties" and _is_of_workflow(found.path):
        hint = "indent it below `workflow`"
    hint = hint or what_to_write(found, header_schema())
    findings.error(found.path, message, hint, at_key=_is_about_key(found))


def _is_of_workflow(path: Path) -> bool:
    properties = below(header_schema(), ("workflow",)).get("properties")
    return len(path) == 1 and isinstance(properties, dict) and path[0] in properties


def _check_steps(steps: JsonValue, path: Path, findings: Findings) -> None:
    if not isinstance(steps, list):
        return
    for index, step in enumerate(steps):
        at = (*path, index)
        if not isinstance(step, dict):
            message = f"a step is an object with `id` and `kind`, not {describe(step)}"
            findings.error(at, message, STEP_REMEDY)
        elif _check_kind(step, at, findings):
            _check_step(step, at, findings)


def _check_kind(step: JsonObject, at: Path, findings: Findings) -> bool:
    """Report a kind that is missing or unknown; of such a step only the id is looked at."""
    kind = step.get("kind")
    if isinstance(kind, str) and kind in KINDS:
        return True
    if "kind" not in step:
        findings.error(at, "`kind` is missing", did_you_mean("kind", step) or f"known kinds: {_kinds()}")
    elif not isinstance(kind, str):
        findings.error((*at, "kind"), f"a kind is text, not {describe(kind)}", f"known kinds: {_kinds()}")
    else:
        hint = did_you_mean(kind, KINDS) or f"known kinds: {_kinds()}"
        findings.error((*at, "kind"), f"there is no kind {show(kind)}", hint, code=UNKNOWN_KIND)
    _report(check(step, _ID_ONLY), _ID_ONLY, step, at, findings)
    return False


def _check_step(step: JsonObject, at: Path, findings: Findings) -> None:
    kind = str(step["kind"])
    _report(_checker(kind).check(step), step_schema(kind), step, at, findings)
    _check_schemas(step, ("outputs", "input_schema"), at, findings)
    if step["kind"] != "api":  # whose body is what is sent
        _check_steps(step.get("body"), (*at, "body"), findings)
    branches = step.get("branches")
    for index, branch in enumerate(branches if isinstance(branches, list) else []):
        if isinstance(branch, dict):
            _check_steps(branch.get("steps"), (*at, "branches", index, "steps"), findings)


@cache
def _checker(kind: str) -> Checker:
    return Checker(step_schema(kind))


def _report(problems: list[Problem], schema: JsonObject, step: JsonObject, at: Path, findings: Findings) -> None:
    kind = str(step.get("kind"))
    for found in _without_echoes(problems):
        message, hint = _subject(found.path, found.message), found.hint
        if found.keyword == "additionalProperties":
            message, hint = _unknown_field(found, kind)
        elif _is_expression(step, found, schema):
            message, hint = f"`{found.path[-1]}` takes no expressions: it has to stand in the document", ""
        hint = hint or what_to_write(found, schema)
        findings.error((*at, *found.path), message, hint, at_key=_is_about_key(found))
        _prune(step, found)


def _is_expression(step: JsonObject, found: Problem, schema: JsonObject) -> bool:
    """Tell whether an expression stands where only what is written counts."""
    value: JsonValue = step
    for key in found.path:
        if isinstance(value, dict) and isinstance(key, str):
            value = value.get(key)
    places = (below(schema, found.path[:length]).get("x-place") for length in range(1, len(found.path) + 1))
    return found.keyword in ("type", "enum") and isinstance(value, str) and "${" in value and "literal" in places


def _unknown_field(found: Problem, kind: str) -> tuple[str, str]:
    name = str(found.path[-1])
    if len(found.path) > 1:
        return f"unknown field {_quoted(name)} in `{found.path[-2]}`", found.hint
    if name in KINDS[kind].refused:
        return f"`{name}` does not belong on kind `{kind}`", f"remove it; {_REASONS[name]}"
    owners = [spec.name for spec in KINDS.values() if name in spec.fields]
    if owners:
        return f"`{name}` is a field of kind `{'`, `'.join(owners)}`, not of `{kind}`", found.hint
    return f"unknown field {_quoted(name)} of kind `{kind}`", found.hint


# -- schemas of authors, and echoes ----------------------------------------------------------------


def _check_schemas(owner: JsonObject, names: Iterable[str], at: Path, findings: Findings) -> None:
    """Report what is wrong with an author's schemas; what is left of them still tells names and types."""
    for name in names:
        if name not in owner:
            continue
        problems = schema_problems(owner[name])
        for found in problems:
            hint = found.hint or f"`{name}` is a JSON Schema (2020-12)"
            message = _subject(found.path, found.message)
            findings.error((*at, name, *found.path), message, hint, at_key=_is_about_key(found))
            _remove(owner[name], found.path)
        if problems and schema_problems(owner[name]):
            del owner[name]


def _without_echoes(problems: list[Problem]) -> list[Problem]:
    """Leave out what follows from another problem.

    Such are "`command` is missing" where a mistyped `comand` was reported beside it, and what a text lacks that
    should be an object.
    """
    hints = {(found.path[:-1], found.hint) for found in problems if found.keyword == "additionalProperties"}
    mistyped = {found.path for found in problems if found.keyword == "type"}
    return [
        found
        for found in problems
        if found.keyword not in _WHOLE
        or not (
            found.path in mistyped
            or any(path == found.path and _meant(hint) in found.message for path, hint in hints if _meant(hint))
        )
    ]


def _meant(hint: str) -> str:
    return hint.removeprefix("did you mean ").removesuffix("?") if hint.startswith("did you mean") else ""


def _subject(path: Path, message: str) -> str:
    """Put the field before what `check` says about its value, unless the sentence is complete as it is."""
    names = [key for key in path if isinstance(key, str)]
    starts = ("must be", "has ", "is ", "needs ", "holds ")
    return f"`{names[-1]}` {message}" if names and message.startswith(starts) else message


def _is_about_key(found: Problem) -> bool:
    return found.keyword in ("additionalProperties", "falseSchema")


def _prune(tree: JsonValue, found: Problem) -> None:
    if found.keyword in _PRUNED or found.path[-2:-1] == ("on",):
        _remove(tree, found.path)


def _remove(tree: JsonValue, path: Path) -> None:
    """Take the value at a path out of a tree; in a list null takes its place, so that indexes stay right."""
    if not path:
        return
    node = tree
    for key in path[:-1]:
        if isinstance(node, dict) and isinstance(key, str):
            node = node.get(key)
        elif isinstance(node, list) and isinstance(key, int) and key < len(node):
            node = node[key]
    last = path[-1]
    if isinstance(node, dict) and isinstance(last, str):
        node.pop(last, None)
    elif isinstance(node, list) and isinstance(last, int) and last < len(node):
        node[last] = None


def _quoted(name: str) -> str:
    return f"`{name[:100]}`"


def _kinds() -> str:
    return ", ".join(f"`{name}`" for name in KINDS)
