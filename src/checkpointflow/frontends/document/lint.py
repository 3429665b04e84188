"""Checks what the parts of a document mean together: its expressions, commands and outputs, then its flow."""

from __future__ import annotations

import re

from checkpointflow.clock import from_text
from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import (
    Expression,
    Scope,
    Template,
    parse_bare_or_wrapped,
    parse_condition,
    parse_template,
)
from checkpointflow.expressions.lexer import closing_brace
from checkpointflow.frontends.document.api_checks import UNDECIDED, check_api
from checkpointflow.frontends.document.command_checks import CommandChecks
from checkpointflow.frontends.document.findings import Findings
from checkpointflow.frontends.document.flow import check_flow
from checkpointflow.frontends.document.model import Document, Path, Step
from checkpointflow.frontends.document.positions import Source
from checkpointflow.frontends.document.remedies import reason_hint
from checkpointflow.frontends.document.scopes import Scopes, inside_of
from checkpointflow.frontends.document.secret_inputs import check_secret_inputs
from checkpointflow.frontends.document.secret_places import SecretPlaces
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.frontends.document.strict_yaml import ReadSource
from checkpointflow.frontends.document.structure import check_structure
from checkpointflow.frontends.document.written_texts import (
    Parsed,
    Text,
    expressions_of,
    texts_of_defaults,
    texts_of_step,
)
from checkpointflow.schemas import show
from checkpointflow.values import JsonValue

_REASON = re.compile(r"timeout|connection|exit:[0-9]+|http:.*")
_OF_ITEM = re.compile(r"(?:item|item_index)(?:[.\[].*)?")
_BOTH_SIDES = "write a value on both sides of the operator"
_EXPRESSIONS = "write it like `inputs.NAME`, `steps.ID.outputs.NAME` or `inputs.a + 1`; text stands in quotes"
_CONDITIONS = 'write it like `inputs.NAME == "yes"`'
_LISTS = "write a list such as `inputs.NAME`"
_NUMBERS = frozenset({"integer", "number"})
_TAKES_INPUTS = ("workflow", "foreach")


def examine(source: Source, file: str | None, findings: Findings) -> Document:
    """Return a document as far as it can be read; everything that is wrong or doubtful in it goes into `findings`.

    Other files are not looked at.

    Raises:
        TooManyProblems: there are so many errors that the rest is not looked for.
    """
    for one in source.repeated if isinstance(source, ReadSource) else ():
        findings.error_on(one.place, one.message, one.hint)
    document = Document.from_tree(check_structure(source.tree, findings), path=file)
    check_flow(document, findings)
    _Lint(document, findings).check()
    return document


class _Lint:
    """One pass over the texts of a document."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self._findings = findings
        self._scopes = Scopes(document)
        self._secrets = SecretPlaces(document, findings)
        self._commands = CommandChecks(document, findings, self._secrets)

    def check(self) -> None:
        self._check_defaults()
        for step in self._document.all_steps():
            if step.kind in KINDS:
                self._check_step(step)
        self._check_outputs()
        self._secrets.check_header()
        check_secret_inputs(self._document.inputs, self._findings)

    def _check_defaults(self) -> None:
        scope = self._scopes.of_defaults()
        self._check_default_reasons()
        parsed = [
            (text, self._parsed(("workflow", "defaults", *text.path), text, scope))
            for text in texts_of_defaults(self._document.defaults)
        ]
        self._commands.check_defaults(parsed)

    def _check_step(self, step: Step) -> None:
        parsed: list[tuple[Text, Template | Expression | None]] = []
        for text in texts_of_step(step.kind, step.fields):
            scope = self._scopes.of_step(step, inside_of(step.kind, text.path))
            parsed.append((text, self._parsed((*step.path, *text.path), text, scope)))
        if step.kind == "cli":
            self._commands.check(step, parsed)
        if step.kind == "api":
            check_api(step, parsed, self._document.defaults, self._findings)
        if step.kind == "sleep":
            self._check_sleep(step, parsed)
        if step.kind == "python":
            self._check_pinned(step)
        if step.kind == "foreach":
            self._check_item_key(step)
        self._check_risk(step)
        self._check_idle(step)

    # -- one text --------------------------------------------------------------------------------

    def _parsed(self, path: Path, text: Text, scope: Scope) -> Template | Expression | None:
        """Parse a text as its place asks; None if that fails, which is reported."""
        if text.place == "literal":
            self._check_literal(path, text.text)
            return None
        result = self._tried(path, text, scope)
        for expression in () if result is None else expressions_of(result):
            self._secrets.check(path, text, expression)
            for note in expression.notes:
                self._findings.warning_in(path, note.offset, note.message, note.remedy)
        return result

    def _tried(self, path: Path, text: Text, scope: Scope) -> Template | Expression | None:
        left: str | None = text.text
        while left is not None:
            try:
                parsed = self._parse(Text(text.path, left, text.place), scope)
            except ExpressionError as error:
                hint = self._secrets.hint(error) or _advice(error, text.place)
                self._findings.error_in(path, error.offset, error.message, hint, code=error.code)
                is_template = text.place not in ("condition", "expression")
                left = _behind_expression_at(left, error.offset) if is_template else None
            else:
                return parsed if left == text.text else None
        return None

    def _parse(self, text: Text, scope: Scope) -> Template | Expression:
        if text.place == "condition":
            return parse_condition(text.text, scope)
        if text.place != "expression":
            return parse_template(text.text, scope)
        expression = parse_bare_or_wrapped(text.text, scope)
        types = expression.static_type
        if types is not None and "array" not in types:
            raise ExpressionError(f"this is never a list, but {' or '.join(sorted(types))}", hint=_LISTS)
        return expression

    def _check_literal(self, path: Path, text: str) -> None:
        offset = text.find("${")
        if offset >= 0 and text[offset - 1 : offset] != "$":
            self._findings.error_in(path, offset, "no expression may stand here", "write the text itself")

    # -- the rest --------------------------------------------------------------------------------

    def _check_default_reasons(self) -> None:
        """Only a Python call raises exceptions: without one, the name of one in `retry.on` would never match."""
        retry = self._document.defaults.get("retry")
        words = retry.get("on") if isinstance(retry, dict) else None
        if any(step.kind == "python" for step in self._document.all_steps()):
            return
        for index, word in enumerate(words if isinstance(words, list) else ()):
            if isinstance(word, str) and not _REASON.fullmatch(word):
                message = f"no step here fails with {show(word)}, so it is never tried again"
                self._findings.error(("workflow", "defaults", "retry", "on", index), message, reason_hint(word))

    def _check_pinned(self, step: Step) -> None:
        module = str(step.fields.get("call", "")).partition(":")[0]
        message = f"the code of `{module}` is not kept with the run: it counts as it is when the step is performed"
        hint = "change it only in ways that waiting runs can bear"
        self._findings.warning((*step.path, "call"), message, hint)

    def _check_item_key(self, step: Step) -> None:
        """A key that is written out is that of every item."""
        key = step.fields.get("item_key")
        if not isinstance(key, str) or "${" in key:
            return
        message = f"`item_key` of `{step.id}` is the text {show(key)} for every item, and each needs a key of its own"
        remedy = f"${{{key}}}" if _OF_ITEM.fullmatch(key) else "${item.NAME}"
        self._findings.warning((*step.path, "item_key"), message, f"write `item_key: {remedy}`")

    def _check_risk(self, step: Step) -> None:
        if step.risk_level != "high" or step.effect is not None or "effect" in KINDS[step.kind].refused:
            return
        if step.fields.get("method") in UNDECIDED:  # that is said already
            return
        message = (
            f"`{step.id}` has a high risk and no `effect`: it is performed again when nobody knows if it took effect"
        )
        hint = "write `effect: once` if twice does harm, else `effect: idempotent`"
        self._findings.warning((*step.path, "risk_level"), message, hint)

    def _check_sleep(self, step: Step, parsed: Parsed) -> None:
        for text, template in parsed:
            if not isinstance(template, Template):
                continue
            path = (*step.path, *text.path)
            if text.path == ("seconds",) and not _may_be(template, _NUMBERS):
                message = "`seconds` is a number or one expression that gives a number"
                self._findings.error(path, message, "write it as `seconds: 30` or `seconds: ${inputs.NAME}`")
            if text.path == ("until",) and template.is_constant and not _is_instant(text.text):
                self._findings.error(path, "`until` is no instant", "write it as `2030-01-01T09:00:00Z`")

    def _check_idle(self, step: Step) -> None:
        """Fields that 1.x took and that do nothing: accepted, and never in silence."""
        for name in KINDS[step.kind].idle:
            if name in step.fields:
                self._ignored(step, name, f"it has no effect on kind `{step.kind}`")
        if "inputs" in step.fields and (step.kind not in _TAKES_INPUTS or step.workflow_ref is None):
            self._ignored(step, "inputs", "only steps with a `workflow_ref` pass it on")
        is_unread = self._findings.has_error_at((*step.path, "timeout_seconds"))
        if "on_timeout" in step.fields and not step.timeout_seconds and not is_unread:
            self._ignored(step, "on_timeout", "without `timeout_seconds` the wait never expires")

    def _ignored(self, step: Step, name: str, why: str) -> None:
        self._findings.warning((*step.path, name), f"`{name}` is ignored: {why}", "remove it", at_key=True)

    def _check_outputs(self) -> None:
        outputs = self._document.outputs
        properties = outputs.get("properties") if isinstance(outputs, dict) else None
        scope = self._scopes.of_outputs()
        for name, declared in properties.items() if isinstance(properties, dict) else ():
            if isinstance(declared, dict) and "from" in declared:
                self._check_from(("workflow", "outputs", "properties", name, "from"), declared["from"], scope)

    def _check_from(self, path: Path, written: JsonValue, scope: Scope) -> None:
        if not isinstance(written, str):
            self._findings.error(path, "`from` is the text of a path", "write `from: steps.ID.outputs.NAME`")
            return
        try:
            expression = parse_bare_or_wrapped(written, scope)
        except ExpressionError as error:
            hint = self._secrets.hint(error) or _advice(error, "expression")
            self._findings.error_in(path, error.offset, error.message, hint, code=error.code)
            return
        self._secrets.check(path, Text(("from",), written, "expression"), expression)
        for note in expression.notes:
            self._findings.warning_in(path, note.offset, note.message, note.remedy)


def _advice(error: ExpressionError, place: str) -> str:
    """Return what to write where the expression's own error has no remedy."""
    if "ends too early" in error.message:
        return _BOTH_SIDES
    return _CONDITIONS if place == "condition" else _EXPRESSIONS


def _behind_expression_at(text: str, offset: int) -> str | None:
    """Return a text with blanks up to the end of the expression at an offset, so that later ones are seen.

    None if the expression is not closed.
    """
    start = text.rfind("${", 0, offset + 2)
    try:
        end = closing_brace(text, start + 2) if start >= 0 else -1
    except ExpressionError:
        return None
    return None if end < offset else " " * (end + 1) + text[end + 1 :]


def _may_be(template: Template, types: frozenset[str]) -> bool:
    if template.single is None:
        return False
    known = template.single.static_type
    return known is None or not known.isdisjoint(types)


def _is_instant(text: str) -> bool:
    try:
        from_text(text.strip())
    except ValueError:
        return False
    return True
