"""How the macros `all`, `exists`, `exists_one`, `map` and `filter` go over a list or an object's keys."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from checkpointflow.expressions.frame import EvaluationError, Frame, Run, noun
from checkpointflow.expressions.syntax import Macro, Node
from checkpointflow.values import JsonValue


def compile_macro(node: Macro, compile_node: Callable[[Node], Run]) -> Run:
    """Return the function that computes a macro's value."""
    items, body = _items(node, compile_node(node.target)), compile_node(node.body)
    if node.name in ("all", "exists"):
        return _search(node, items, body)
    if node.name == "filter":
        return _filter(node, items, body)
    if node.name == "map":
        return _map(node, items, body, compile_node(node.condition) if node.condition else None)
    return _exists_one(node, items, body)


Items = Callable[[Frame], Iterator[JsonValue]]


def _items(node: Macro, target: Run) -> Items:
    """Return what sets the variable to each item in turn, yields the item, and charges for it."""
    slot, weight, offset, name = node.slot, node.weight, node.offset, node.name

    def items(frame: Frame) -> Iterator[JsonValue]:
        values = target(frame)
        if not isinstance(values, list | dict):
            hint = "Where it may be missing, write `default(…, [])`." if values is None else None
            raise EvaluationError(f"`{name}` needs a list or an object, not {noun(values)}", offset, hint)
        for value in values:
            frame.charge(weight, offset)
            frame.variables[slot] = value
            yield value

    return items


def _search(node: Macro, items: Items, body: Run) -> Run:
    decisive, name, offset = node.name == "exists", node.name, node.body.offset

    def run(frame: Frame) -> JsonValue:
        problem: EvaluationError | None = None
        for _ in items(frame):
            try:
                value = _boolean(body(frame), name, offset)
            except EvaluationError as error:
                problem = problem or error
                continue
            if value is decisive:
                return value
        if problem is not None:
            raise problem
        return not decisive

    return run


def _exists_one(node: Macro, items: Items, body: Run) -> Run:
    name, offset = node.name, node.body.offset

    def run(frame: Frame) -> JsonValue:
        found = 0
        for _ in items(frame):
            found += _boolean(body(frame), name, offset)
        return found == 1

    return run


def _filter(node: Macro, items: Items, body: Run) -> Run:
    offset = node.body.offset

    def run(frame: Frame) -> JsonValue:
        return [item for item in items(frame) if _boolean(body(frame), "filter", offset)]

    return run


def _map(node: Macro, items: Items, body: Run, condition: Run | None) -> Run:
    if condition is None:
        return lambda frame: [body(frame) for _ in items(frame)]
    offset = node.condition.offset if node.condition else node.offset

    def run(frame: Frame) -> JsonValue:
        return [body(frame) for _ in items(frame) if _boolean(condition(frame), "map", offset)]

    return run


def _boolean(value: JsonValue, name: str, offset: int) -> bool:
    if isinstance(value, bool):
        return value
    raise EvaluationError(f"the condition of `{name}` is {noun(value)}, not a boolean", offset)
