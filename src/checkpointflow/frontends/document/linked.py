"""Checks of what documents mean together: the inputs that one hands to another, and workflows without an end."""

from __future__ import annotations

from collections.abc import Mapping
from typing import cast

from checkpointflow.expressions import Scope, parse_template
from checkpointflow.frontends.document.answers import Answers
from checkpointflow.frontends.document.findings import Findings
from checkpointflow.frontends.document.model import Document, Path, Step
from checkpointflow.frontends.document.reach import Runs, both, runs_of
from checkpointflow.frontends.document.scopes import Scopes, inside_of
from checkpointflow.values import JsonObject, JsonValue

_UNKNOWN = "<known when it runs>"
_BRANCHING = frozenset({"if", "anyOf", "oneOf", "allOf", "not", "dependentRequired", "dependentSchemas", "$ref"})
_OF_FIELDS = frozenset({"required", "additionalProperties"})


def check_links(documents: Mapping[str, Document], findings: Mapping[str, Findings]) -> None:
    """Report what is wrong between documents, which are without errors; both by key."""
    for key, document in documents.items():
        scopes = Scopes(document)
        for step in document.all_steps():
            if step.workflow_ref in document.refs:
                _check_inputs(document, step, scopes, findings[key])
    _check_endless(documents, findings)


# -- inputs ----------------------------------------------------------------------------------------


def _check_inputs(document: Document, step: Step, scopes: Scopes, findings: Findings) -> None:
    """Report inputs that cannot fit the sub-workflow's schema, whatever the expressions in them give."""
    from checkpointflow.schemas import check, sentence, with_defaults

    inner = document.sub_workflow(str(step.workflow_ref))
    schema = cast("JsonObject | bool", inner.inputs)
    unknown: list[Path] = []
    scope = scopes.of_step(step, inside_of(step.kind, ("inputs",)))
    given = _known(step.fields.get("inputs") or {}, scope, (), unknown)
    for problem in check(with_defaults(given, schema), schema):
        if _is_certain(problem.path, problem.keyword, schema, unknown):
            message = f"the input does not fit sub-workflow `{inner.id}`: {sentence(problem)}"
            where = (*step.path, "inputs") if "inputs" in step.fields else step.path
            findings.error(where, message, "see `inputs` of that document")


def _known(value: JsonValue, scope: Scope, path: Path, unknown: list[Path]) -> JsonValue:
    """Return a value as it is handed on, with a placeholder at each path that only the run will know."""
    if isinstance(value, dict):
        return {name: _known(one, scope, (*path, name), unknown) for name, one in value.items()}
    if isinstance(value, list):
        return [_known(one, scope, (*path, index), unknown) for index, one in enumerate(value)]
    if not isinstance(value, str):
        return value
    template = parse_template(value, scope)
    if template.is_constant:
        return template.render({})
    unknown.append(path)
    return _UNKNOWN


def _is_certain(path: Path, keyword: str, schema: JsonValue, unknown: list[Path]) -> bool:
    """Tell whether a problem is there whatever the unknown values are."""
    if not any(one[: len(path)] == path or path[: len(one)] == one for one in unknown):
        return True
    is_of_fields = keyword in _OF_FIELDS and not any(path[: len(one)] == one and path != one for one in unknown)
    return is_of_fields and () not in unknown and not _branches(schema)


def _branches(schema: JsonValue) -> bool:
    if isinstance(schema, dict):
        return not _BRANCHING.isdisjoint(schema) or any(map(_branches, schema.values()))
    return isinstance(schema, list) and any(map(_branches, schema))


# -- workflows that run themselves -----------------------------------------------------------------


def _check_endless(documents: Mapping[str, Document], findings: Mapping[str, Findings]) -> None:
    """Warn of each workflow that surely comes to run itself, at the steps that lead there."""
    certain = {key: _surely_run(document) for key, document in documents.items()}
    every = {key: _all_run(key, documents, certain) for key in documents}
    for key, steps in certain.items():
        for step in steps:
            if key in every[documents[key].refs[str(step.workflow_ref)]]:
                message = f"`{step.id}` leads to this workflow again, whatever happens: it would go on without end"
                hint = "have an `if` or a `switch` decide whether it runs once more"
                findings[key].warning((*step.path, "workflow_ref"), message, hint)


def _all_run(key: str, documents: Mapping[str, Document], certain: Mapping[str, list[Step]]) -> set[str]:
    """Return the documents that surely run once one does."""
    found: set[str] = set()
    waiting = [key]
    while waiting:
        key = waiting.pop()
        if key not in found:
            found.add(key)
            waiting += [documents[key].refs[str(step.workflow_ref)] for step in certain[key]]
    return found


def _surely_run(document: Document) -> list[Step]:
    """Return the steps that run a sub-workflow whatever the input is, unless something fails before them."""
    answers = Answers(document)
    found: list[Step] = []

    def look(steps: tuple[Step, ...], around: Runs, entry: str | None = None) -> None:
        runs = runs_of(steps, lambda _step, text: _LITERAL.get(text.strip()), answers, entry=entry)
        for step in steps:
            here = both(around, runs.get(step.id, "depends"))
            if here != "yes" or step.kind == "foreach":
                continue
            if step.kind == "workflow" and step.workflow_ref in document.refs:
                found.append(step)
            for inner in step.lists.values():
                look(inner, here)

    look(document.steps, "yes", document.on_error)
    return found


_LITERAL = {"true": True, "false": False}
