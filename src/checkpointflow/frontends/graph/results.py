"""A handler's result as it is recorded: judged once, made JSON, and all that replay needs; nothing is merged here."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from checkpointflow.frontends.graph import codes, paths
from checkpointflow.frontends.graph.grammar import Node
from checkpointflow.frontends.graph.handlers import HandlerResult, WorkflowError
from checkpointflow.values import JsonObject, JsonValue, checked


def recorded(returned: object, node: Node, *, is_strict: bool, is_item: bool = False) -> JsonObject:
    """Return what is recorded of a handler's result; what says nothing is left out.

    Raises:
        StepFailedError: it is no result, it says that the handler failed, or it breaks a promise of the node.
    """
    if not isinstance(returned, HandlerResult):
        name = type(returned).__name__
        raise _invalid(node, f"it returned a value of type `{name}`; return a `HandlerResult`")
    if returned.error is not None:
        raise _own_failure(node, returned.error)
    _check_flags(node, returned)
    outputs = _labels(node, returned.outputs, "outputs")
    told: JsonObject = {"outputs": [*outputs]}
    told |= _undeclared(node, outputs, is_strict, is_item)
    told |= _updates(node, "workflow", returned.workflow_updates) | _updates(node, "node", returned.node_updates)
    tags = _labels(node, returned.tags or (), "tags")
    told |= {"tags": [*tags]} if tags else {}
    if returned.waiting:
        told |= {"waiting": True, "prompt": returned.waiting_prompt}
    _check_writes(node, told)
    return told


def refuse_circles(value: object, where: str) -> None:
    """Refuse a value that holds itself, which no JSON can say; what is no JSON for other reasons passes.

    Raises:
        ValueError: it does; the message names the place.
    """
    trail: set[int] = set()
    stack: list[tuple[object, str, bool]] = [(value, where, False)]
    while stack:
        one, place, is_left = stack.pop()
        if is_left:
            trail.discard(id(one))
            continue
        inner = _inner(one, place)
        if not inner:
            continue
        if id(one) in trail:
            raise ValueError(f"`{place}` holds itself, which JSON cannot say")
        trail.add(id(one))
        stack.append((one, place, True))
        stack.extend((item, below, False) for item, below in inner)


def _inner(value: object, place: str) -> list[tuple[object, str]]:
    if isinstance(value, Mapping):
        return [(item, f"{place}.{key}") for key, item in value.items()]
    if isinstance(value, Sequence) and not isinstance(value, str | bytes | bytearray | memoryview):
        return [(item, f"{place}[{index}]") for index, item in enumerate(value)]
    return []


def _check_flags(node: Node, returned: HandlerResult) -> None:
    if not isinstance(returned.waiting, bool):
        raise _invalid(node, "`waiting` is neither true nor false")
    if returned.waiting_prompt is not None and not isinstance(returned.waiting_prompt, str):
        raise _invalid(node, "`waiting_prompt` is no text")
    if returned.waiting and returned.outputs:
        raise _invalid(node, "it waits and fires labels; fire them once the answer is there")


def _labels(node: Node, given: object, what: str) -> list[str]:
    if isinstance(given, list | tuple) and all(isinstance(one, str) for one in given):
        return list(given)
    raise _invalid(node, f"`{what}` is no list of texts")


def _undeclared(node: Node, outputs: Sequence[str], is_strict: bool, is_item: bool) -> JsonObject:
    known = () if is_item else node.outputs
    unknown = [label for label in outputs if label not in known]
    if not unknown:
        return {}
    if is_item:
        raise _invalid(node, "the handler of a `map` fires no labels; the map does, once all items are done")
    if is_strict:
        listed = ", ".join(f"`{label}`" for label in unknown)
        message = f"node `{node.name}` fired {listed}, which its `outputs` do not declare"
        raise codes.node_failure(codes.UNDECLARED_OUTPUT, message)
    return {"outputs": [label for label in outputs if label in known], "undeclared": [*unknown]}


def _updates(node: Node, name: str, updates: object) -> JsonObject:
    if updates is None:
        return {}
    if not isinstance(updates, Mapping):
        raise _invalid(node, f"`{name}_updates` is no object")
    try:
        refuse_circles(updates, f"{name}_updates")
        value = checked(updates, f"{name}_updates")
    except (TypeError, ValueError) as error:
        message = f"node `{node.name}` returned what the state cannot keep: {error}"
        raise codes.node_failure(codes.STATE_SERIALIZATION, message) from None
    return {name: value} if value else {}


def _check_writes(node: Node, told: JsonObject) -> None:
    allowed = node.contract.writes_to
    if allowed is None:
        return
    shared, own = told.get("workflow"), told.get("node")
    written = paths.leaves("workflow", shared) if isinstance(shared, dict) else []
    written += paths.leaves(f"node.{node.name}", own) if isinstance(own, dict) else []
    for path in written:
        if not any(paths.covers(one, path) for one in allowed):
            message = f"node `{node.name}` would change `{path}`, which its `state_contract` does not list"
            raise codes.node_failure(codes.STATE_CONTRACT, message)


def check_reads(node: Node, state: JsonObject) -> None:
    """Refuse to call a handler whose node needs what the state lacks.

    Raises:
        StepFailedError: it does.
    """
    for path in node.contract.reads_from:
        is_there, _ = paths.found_at(state, path)
        if not is_there:
            message = f"node `{node.name}` needs `{path}`, which is not in the state"
            raise codes.node_failure(codes.STATE_CONTRACT, message)


def _own_failure(node: Node, error: object) -> BaseException:
    if not isinstance(error, WorkflowError) or not error.code:
        return _invalid(node, "`error` is no `WorkflowError` with a code")
    try:
        refuse_circles(error.details, "error.details")
        details = checked(error.details, "error.details")
    except (TypeError, ValueError) as reason:
        return _invalid(node, str(reason))
    return codes.node_failure(str(error.code), str(error.message), details=details if isinstance(details, dict) else {})


def _invalid(node: Node, reason: str) -> BaseException:
    message = f"the handler of node `{node.name}` gave no usable result: {reason}"
    return codes.node_failure(codes.INVALID_RESULT, message)


def merged(value: JsonObject, updates: Mapping[str, JsonValue]) -> JsonObject:
    """Return an object with updates merged into it, objects into objects at any depth; neither is changed."""
    result = dict(value)
    for name, update in updates.items():
        there = result.get(name)
        result[name] = merged(there, update) if isinstance(there, dict) and isinstance(update, dict) else update
    return result
