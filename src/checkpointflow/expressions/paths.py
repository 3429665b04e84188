"""Reading paths from a context: fast where all is there, and with the exact reason where something is not."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from checkpointflow.expressions.frame import AbsentError, EvaluationError, Frame, Run, noun
from checkpointflow.expressions.names import segment_text
from checkpointflow.expressions.syntax import Node, Path, Segment
from checkpointflow.values import JsonValue

Keys = list[str | int]
Step = tuple[Segment, Run | None]


def compile_path(path: Path, compile_node: Callable[[Node], Run]) -> Run:
    """Return the function that reads a path."""
    base = _base(path, compile_node)
    if not path.segments:
        return base
    slow = _slow(path, base, compile_node)
    keys = [segment.key for segment in path.segments]
    # Only names are read the short way: an index would also take a character out of a text.
    if path.base is not None or path.slot is not None or not all(isinstance(key, str) for key in keys):
        return slow
    words: list[Any] = [path.name, *keys]

    def run(frame: Frame) -> JsonValue:
        value: Any = frame.context
        try:
            for word in words:
                value = value[word]
        except (KeyError, TypeError):
            return slow(frame)
        return value  # type: ignore[no-any-return]

    return run


def compile_has(path: Path, compile_node: Callable[[Node], Run]) -> Run:
    """Return the function that tells whether the last name of a path is there."""
    base = _base(path, compile_node)
    steps = _steps(path, compile_node)
    last = path.segments[-1]

    def run(frame: Frame) -> JsonValue:
        try:
            value = _read(path, steps[:-1], base(frame), frame)
        except AbsentError:
            return False
        if value is None:
            return False
        if not isinstance(value, dict):
            raise EvaluationError(f"`has` needs an object before `{last.key}`, not {noun(value)}", last.offset)
        return last.key in value

    return run


def _base(path: Path, compile_node: Callable[[Node], Run]) -> Run:
    if path.base is not None:
        return compile_node(path.base)
    if path.slot is not None:
        slot = path.slot
        return lambda frame: frame.variables[slot]
    name, offset = path.name, path.offset

    def run(frame: Frame) -> JsonValue:
        try:
            return frame.context[name]
        except KeyError:
            raise AbsentError(f"`{name}` has no value here", offset) from None

    return run


def _slow(path: Path, base: Run, compile_node: Callable[[Node], Run]) -> Run:
    steps = _steps(path, compile_node)
    return lambda frame: _read(path, steps, base(frame), frame)


def _steps(path: Path, compile_node: Callable[[Node], Run]) -> list[Step]:
    return [(segment, compile_node(segment.node) if segment.node else None) for segment in path.segments]


def _read(path: Path, steps: list[Step], value: JsonValue, frame: Frame) -> JsonValue:
    keys: Keys = []
    for segment, computed in steps:
        if value is None and segment.null_passes:
            return None
        key = computed(frame) if computed else segment.key
        if isinstance(value, dict) and isinstance(key, str):
            if key in value:
                value = value[key]
            elif segment.may_be_absent:
                return None
            else:
                raise _missing(path, [*keys, key], segment)
        elif isinstance(value, list):
            value = value[_position(path, keys, value, key, segment)]
        else:
            raise _refused(path, keys, value, key, segment, frame)
        keys.append(key if isinstance(key, str | int) else int(key))  # type: ignore[arg-type]
    return value


def _position(path: Path, keys: Keys, items: list[JsonValue], key: JsonValue, segment: Segment) -> int:
    if isinstance(key, bool) or not isinstance(key, int | float) or key != key // 1:
        place = _text(path, keys)
        raise EvaluationError(f"`{place}` is a list, so its index is a whole number, not {noun(key)}", segment.offset)
    if not 0 <= key < len(items):
        text = _text(path, [*keys, int(key)])
        raise AbsentError(f"`{text}` is not there: the list has {len(items)} items", segment.offset)
    return int(key)


def _missing(path: Path, keys: Keys, segment: Segment) -> AbsentError:
    text = _text(path, keys)
    message = f"`{text}` is missing; write `default({text}, …)` where it may be"
    hint = None
    if path.base is None and path.slot is None and path.name == "steps" and len(keys) == 1:
        message = f"`{text}` is missing because the step has not run; write `default({text}, …)` where that may be"
    elif path.base is None and path.slot is None and path.name == "steps" and len(keys) == 2:
        message = f"step `{keys[0]}` has no `{keys[1]}` so far; write `default({text}, …)` where that may be"
    elif isinstance(keys[-1], str) and "-" in keys[-1]:
        hint = "Put blanks around a minus."
    return AbsentError(message, segment.offset, hint)


def _refused(path: Path, keys: Keys, value: JsonValue, key: JsonValue, segment: Segment, frame: Frame) -> AbsentError:
    place = _text(path, keys)
    whole = place + (segment_text(key) if isinstance(key, str | int) else "[…]")
    if value is None and _is_outputs(path, keys):
        step = keys[0]
        message = f"`{whole}` is missing because step `{step}` has not completed{_status(step, frame)}"
        return AbsentError(f"{message}; write `default({whole}, …)` where that may be", segment.offset)
    if value is None:
        message = f"`{whole}` is missing because `{place}` is null; write `default({whole}, …)` where it may be"
        return AbsentError(message, segment.offset)
    if isinstance(value, dict):
        return AbsentError(f"`{place}` is an object, so its keys are text, not {noun(key)}", segment.offset)
    return AbsentError(f"`{place}` is {noun(value)}, so `{whole}` cannot be read", segment.offset)


def _is_outputs(path: Path, keys: Keys) -> bool:
    is_rooted = path.base is None and path.slot is None
    return is_rooted and path.name == "steps" and len(keys) == 2 and keys[1] == "outputs"


def _status(step: str | int, frame: Frame) -> str:
    steps: Any = frame.context.get("steps")
    shape = steps.get(step) if isinstance(steps, dict) else None
    status = shape.get("status") if isinstance(shape, dict) else None
    return f" (it is `{status}`)" if isinstance(status, str) else ""


def _text(path: Path, keys: Keys) -> str:
    return path.name + "".join(map(segment_text, keys))
