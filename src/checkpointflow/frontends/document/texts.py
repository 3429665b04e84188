"""The texts of a document at run time: parsed once per place, rendered with what a frame knows."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TypeAlias, TypeVar, cast

from checkpointflow.expressions import (
    Expression,
    Template,
    as_condition,
    parse_bare_or_wrapped,
    parse_condition,
    parse_template,
    text_of,
)
from checkpointflow.frontends.document.model import Document, Path, Step
from checkpointflow.frontends.document.scopes import Inside, Scopes
from checkpointflow.values import JsonObject, JsonValue

Context: TypeAlias = Mapping[str, JsonValue]
Render: TypeAlias = Callable[[Context], JsonValue]
T = TypeVar("T")


class Texts:
    """Every text of one document, by place; nothing is checked again that was checked when it was loaded.

    Rendering raises ExpressionError.
    """

    def __init__(self, document: Document, known: dict[int, Texts] | None = None) -> None:
        self._known = {} if known is None else known
        self._known[id(document)] = self
        self._scopes = Scopes(document)
        self._renders: dict[Path, Render] = {}
        self._templates: dict[Path, Template] = {}
        self._expressions: dict[Path, Expression] = {}
        self._made: dict[Path, object] = {}

    def of(self, document: Document) -> Texts:
        """Return the texts of a document of the same definition, the same ones each time."""
        return self._known.get(id(document)) or Texts(document, self._known)

    def value(self, step: Step, *place: str | int, context: Context, inside: Inside = "") -> JsonValue:
        """Return what stands at a place below a step, every text in it rendered, deeply."""
        path = (*step.path, *place)
        render = self._renders.get(path)
        if render is None:
            render = self._renders[path] = self._compile(step, _at(step.fields, place), inside)
        return render(context)

    def text(self, step: Step, *place: str | int, context: Context, inside: Inside = "") -> str | None:
        """Return a text, rendered to text; None if there is none at the place."""
        if _at(step.fields, place) is None:
            return None
        return text_of(self.value(step, *place, context=context, inside=inside))

    def condition(self, step: Step, *place: str | int, text: str | None, context: Context, inside: Inside = "") -> bool:
        """Return whether a condition is true."""
        path = (*step.path, *place)
        expression = self._expressions.get(path)
        if expression is None:
            scope = self._scopes.of_step(step, inside)
            expression = self._expressions[path] = parse_condition(text or "", scope)
        return as_condition(expression.evaluate(context), expression)

    def items(self, step: Step, context: Context) -> JsonValue:
        """Return what the `items` of a `foreach` are."""
        path = (*step.path, "items")
        expression = self._expressions.get(path)
        if expression is None:
            text, scope = str(step.fields["items"]), self._scopes.of_step(step)
            expression = self._expressions[path] = parse_bare_or_wrapped(text, scope)
        return _lasting(expression.evaluate, [expression])(context)

    def template(self, step: Step, text: str, path: Path) -> Template:
        """Return the template of a text that a step uses, by the path where it stands."""
        template = self._templates.get(path)
        if template is None:
            of_defaults = path[: len(step.path)] != step.path
            scope = self._scopes.of_defaults() if of_defaults else self._scopes.of_step(step)
            template = self._templates[path] = parse_template(text, scope)
        return template

    def once(self, path: Path, made: Callable[[], T]) -> T:
        """Return what is made of the document alone for a place, which is done once."""
        known = self._made.get(path)
        if known is None:
            known = self._made[path] = made()
        return cast(T, known)

    def output(self, name: str, text: str) -> Expression:
        """Return the expression of an output's `from`."""
        path: Path = ("workflow", "outputs", "properties", name, "from")
        if path not in self._expressions:
            self._expressions[path] = parse_bare_or_wrapped(text, self._scopes.of_outputs())
        return self._expressions[path]

    def _compile(self, step: Step, value: JsonValue, inside: Inside) -> Render:
        scope = self._scopes.of_step(step, inside)

        def compiled(part: JsonValue) -> Render:
            if isinstance(part, str):
                template = parse_template(part, scope)
                return _lasting(template.render, [one for one in template.parts if isinstance(one, Expression)])
            if isinstance(part, dict):
                return _rendered_object({key: compiled(item) for key, item in part.items()})
            if isinstance(part, list):
                return _rendered_list([compiled(item) for item in part])
            return lambda _context: part

        return compiled(value)


def _lasting(render: Render, expressions: Iterable[Expression]) -> Render:
    """Give a render that reads `steps` as a whole a copy of it: what it returns may be kept while steps go on."""
    paths = [reference.path for expression in expressions for reference in expression.references]
    if ("steps",) not in paths:
        return render
    return lambda context: render({**context, "steps": _copied(context["steps"])})


def _copied(states: JsonValue) -> JsonValue:
    return dict(states) if isinstance(states, dict) else states


def _rendered_object(fields: Mapping[str, Render]) -> Render:
    return lambda context: {key: render(context) for key, render in fields.items()}


def _rendered_list(items: list[Render]) -> Render:
    return lambda context: [render(context) for render in items]


def _at(fields: JsonObject, place: tuple[str | int, ...]) -> JsonValue:
    value: JsonValue = fields
    for part in place:
        if isinstance(value, dict) and isinstance(part, str):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
        else:
            return None
    return value
