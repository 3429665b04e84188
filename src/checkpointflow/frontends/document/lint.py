"""Checks what the parts of a document mean together: its expressions, commands and outputs, then its flow."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator

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
from checkpointflow.frontends.document.api_checks import check_api
from checkpointflow.frontends.document.findings import Findings
from checkpointflow.frontends.document.flow import check_flow
from checkpointflow.frontends.document.holes import hole_of, is_numeric, shell_parts
from checkpointflow.frontends.document.model import Document, Path, Step
from checkpointflow.frontends.document.positions import Source
from checkpointflow.frontends.document.scopes import Scopes, inside_of
from checkpointflow.frontends.document.secret_places import SecretPlaces, secret_of
from checkpointflow.frontends.document.shell import (
    Hole,
    ShellRefused,
    is_evaluated_variable,
    place_values,
    second_interpreter_notes,
    visible_arguments,
)
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.frontends.document.strict_yaml import ReadSource
from checkpointflow.frontends.document.structure import check_structure, reason_hint
from checkpointflow.frontends.document.written_texts import Text, texts_of_defaults, texts_of_step
from checkpointflow.schemas import show
from checkpointflow.values import JsonObject, JsonValue

_REASON = re.compile(r"timeout|connection|exit:[0-9]+|http:.*")
_BOTH_SIDES = "write a value on both sides of the operator"
_EXPRESSIONS = "write it like `inputs.NAME`, `steps.ID.outputs.NAME` or `inputs.a + 1`; text stands in quotes"
_CONDITIONS = 'write it like `inputs.NAME == "yes"`'
_LISTS = "write a list such as `inputs.NAME`"
_NUMBERS = frozenset({"integer", "number"})
_TAKES_INPUTS = ("workflow", "foreach")


def examine(source: Source, file: str | None) -> tuple[Document, Findings]:
    """Return a document as far as it can be read, and everything that is wrong or doubtful in it.

    Other files are not looked at.
    """
    findings = Findings(source, file)
    for one in source.repeated if isinstance(source, ReadSource) else ():
        findings.error_on(one.place, one.message, one.hint)
    document = Document.from_tree(check_structure(source.tree, findings), path=file)
    check_flow(document, findings)
    _Lint(document, findings).check()
    return document, findings


class _Lint:
    """One pass over the texts of a document."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self._findings = findings
        self._scopes = Scopes(document)
        self._default_env_holes = False
        self._secrets = SecretPlaces(document, findings)

    def check(self) -> None:
        self._check_defaults()
        for step in self._document.all_steps():
            if step.kind in KINDS:
                self._check_step(step)
        self._check_outputs()
        self._secrets.check_header()

    def _check_defaults(self) -> None:
        scope = self._scopes.of_defaults()
        if all(step.kind != "python" for step in self._document.all_steps()):
            self._check_reasons(self._document.defaults, ("workflow", "defaults"), "step here")
        parsed = [
            (text, self._parsed(("workflow", "defaults", *text.path), text, scope))
            for text in texts_of_defaults(self._document.defaults)
        ]
        self._default_env_holes = self._check_env(parsed, ("workflow", "defaults"))

    def _check_step(self, step: Step) -> None:
        parsed: list[tuple[Text, Template | Expression | None]] = []
        for text in texts_of_step(step.kind, step.fields):
            scope = self._scopes.of_step(step, inside_of(step.kind, text.path))
            parsed.append((text, self._parsed((*step.path, *text.path), text, scope)))
        if step.kind == "cli":
            self._check_command(step, parsed)
            self._check_reasons(step.fields, step.path, "command")
        if step.kind == "api":
            self._check_reasons(step.fields, step.path, "request")
            check_api(step, parsed, self._document.defaults, self._findings)
        if step.kind == "sleep":
            self._check_sleep(step, parsed)
        if step.kind == "python":
            self._check_pinned(step)
        self._check_idle(step)

    # -- one text --------------------------------------------------------------------------------

    def _parsed(self, path: Path, text: Text, scope: Scope) -> Template | Expression | None:
        """Parse a text as its place asks; None if that fails, which is reported."""
        if text.place == "literal":
            self._check_literal(path, text.text)
            return None
        result = self._tried(path, text, scope)
        for expression in () if result is None else _expressions(result):
            self._secrets.check(path, text, expression)
            for note in expression.notes:
                self._findings.warning_in(path, note.offset, note.message, note.hint)
        return result

    def _tried(self, path: Path, text: Text, scope: Scope) -> Template | Expression | None:
        try:
            return self._parse(text, scope)
        except ExpressionError as error:
            hint = self._secrets.hint(error) or _advice(error, text.place)
            self._findings.error_in(path, error.offset, error.message, hint, code=error.code)
            rest = _without_expression_at(text.text, error.offset)
        if rest is not None and text.place not in ("condition", "expression"):
            self._tried(path, Text(text.path, rest, text.place), scope)
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

    # -- commands --------------------------------------------------------------------------------

    def _check_command(self, step: Step, parsed: list[tuple[Text, Template | Expression | None]]) -> None:
        env_holes = self._check_env(parsed, step.path) or self._default_env_holes
        shell = str(step.fields.get("shell") or self._document.defaults.get("shell") or "sh")
        texts = [(text, one) for text, one in parsed if text.place == "shell" and isinstance(one, Template)]
        if len(texts) > 1:  # the texts of a list share one shell: what one puts into a variable another may evaluate
            env_holes = env_holes or not all(is_numeric(hole) for _, one in texts for hole in _expressions(one))
        for text, template in texts:
            self._check_shell_text((*step.path, *text.path), template, shell, env_holes)
        self._check_argv(step, parsed)

    def _check_shell_text(self, path: Path, template: Template, shell: str, env_holes: bool) -> None:
        parts = shell_parts(template)
        try:
            place_values(parts, shell=shell, env_holes=env_holes)
        except ShellRefused as refused:
            for one in refused.refusals:
                self._findings.error_in(path, one.offset, one.message, one.hint)
            return
        for note in second_interpreter_notes(parts, shell=shell):
            self._findings.warning_in(path, note.offset, note.message, note.hint)
        expressions = list(_expressions(template))
        for index, program in visible_arguments(parts, shell=shell).items():
            if secret_of(expressions[index]) is not None:
                self._secrets.warn_visible(path, expressions[index], program)

    def _check_argv(self, step: Step, parsed: list[tuple[Text, Template | Expression | None]]) -> None:
        """A shell or another interpreter named in `argv` gets the value as its own text."""
        words = [(text, template) for text, template in parsed if text.path[0] == "argv"]
        if not words or not all(isinstance(template, Template) for _, template in words):
            return
        parts: list[str | Hole] = []
        holes: list[tuple[Path, int]] = []
        for text, template in words:
            assert isinstance(template, Template)
            for part, offset in zip(template.parts, template.offsets, strict=True):
                if isinstance(part, str):
                    parts.append(shlex.quote(part))
                else:
                    parts.append(hole_of(part, len(holes)))
                    holes.append(((*step.path, *text.path), offset))
            parts.append(" ")
        for note in second_interpreter_notes(parts, shell="sh"):
            path, offset = holes[min(note.offset, len(holes) - 1)]
            self._findings.warning_in(path, offset, note.message, note.hint)

    def _check_env(self, parsed: Iterable[tuple[Text, Template | Expression | None]], at: Path) -> bool:
        """Tell whether `env` carries values that are not numbers; none may go where a shell evaluates it."""
        carries = False
        for text, template in parsed:
            if text.path[0] != "env" or template is None or all(map(is_numeric, _expressions(template))):
                continue
            carries = True
            name = str(text.path[-1])
            if is_evaluated_variable(name):
                hint = "carry the value in a variable of another name"
                self._findings.error((*at, *text.path), f"shells evaluate the variable `{name}` themselves", hint)
        return carries

    def _check_reasons(self, fields: JsonObject, at: Path, what: str) -> None:
        """Only a Python call raises exceptions: elsewhere the name of one in `retry.on` would never match."""
        retry = fields.get("retry")
        words = retry.get("on") if isinstance(retry, dict) else None
        for index, word in enumerate(words if isinstance(words, list) else ()):
            if isinstance(word, str) and not _REASON.fullmatch(word):
                message = f"no {what} fails with {show(word)}, so it is never tried again"
                self._findings.error((*at, "retry", "on", index), message, reason_hint(word))

    # -- the rest --------------------------------------------------------------------------------

    def _check_pinned(self, step: Step) -> None:
        module = str(step.fields.get("call", "")).partition(":")[0]
        message = f"the code of `{module}` is not kept with the run: it counts as it is when the step is performed"
        hint = "change it only in ways that waiting runs can bear"
        self._findings.warning((*step.path, "call"), message, hint)

    def _check_sleep(self, step: Step, parsed: list[tuple[Text, Template | Expression | None]]) -> None:
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
            self._findings.warning_in(path, note.offset, note.message, note.hint)


def _advice(error: ExpressionError, place: str) -> str:
    """Return what to write where the expression's own error has no remedy."""
    if "ends too early" in error.message:
        return _BOTH_SIDES
    return _CONDITIONS if place == "condition" else _EXPRESSIONS


def _expressions(parsed: Template | Expression) -> Iterator[Expression]:
    if isinstance(parsed, Expression):
        yield parsed
    else:
        yield from (part for part in parsed.parts if isinstance(part, Expression))


def _without_expression_at(text: str, offset: int) -> str | None:
    """Return a text with blanks for the expression at an offset, so that later ones are seen; None if it is open."""
    start = text.rfind("${", 0, offset + 2)
    try:
        end = closing_brace(text, start + 2) if start >= 0 else -1
    except ExpressionError:
        return None
    return None if end < offset else f"{text[:start]}{' ' * (end + 1 - start)}{text[end + 1 :]}"


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
