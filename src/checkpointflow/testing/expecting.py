"""Holds what came of a case against what it expects; how values are compared and told is elsewhere."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import cast

from checkpointflow.testing.cases import fields_of, names_step
from checkpointflow.testing.differences import ABSENT, Difference, differences
from checkpointflow.testing.following import Outcome, Seen
from checkpointflow.values import JsonObject, JsonValue


def unmet(expected: JsonObject, outcome: Outcome) -> list[Difference]:
    """Return what is not as it should be; of a case that broke, why it broke and nothing else."""
    if outcome.is_broken:
        return list(outcome.troubles)
    return [*_about_end(expected, outcome), *_about_way(expected, outcome), *outcome.troubles]


def _about_end(expected: JsonObject, outcome: Outcome) -> Iterator[Difference]:
    status = expected.get("status", "failed" if "error" in expected else "completed")
    if status != outcome.status:
        yield Difference("status", status, outcome.status, _why(outcome))
    if "error" in expected:
        yield from _about_error(fields_of(expected["error"]), outcome.error or {})
    for name in ("result", "outputs"):
        if name in expected and (outcome.status == "completed" or status == outcome.status):
            yield from differences(name, expected[name], outcome.value.get(name, ABSENT))
    if "elapsed_seconds" in expected:
        yield from differences("elapsed_seconds", expected["elapsed_seconds"], outcome.elapsed_seconds)


def _why(outcome: Outcome) -> str:
    """Return what explains a status that nobody expected."""
    if outcome.error is not None:
        return str(outcome.error.get("message"))
    return "the last step that began is `" + outcome.path[-1] + "`" if outcome.path else ""


def _about_error(expected: JsonObject, error: JsonObject) -> Iterator[Difference]:
    key = error.get("step_key")
    if "code" in expected:
        yield from differences("error.code", expected["code"], error.get("code", ABSENT))
    if "step" in expected and not (isinstance(key, str) and names_step(str(expected["step"]), key)):
        yield Difference("error.step", expected["step"], key or ABSENT)
    if "message" in expected and str(expected["message"]) not in str(error.get("message", "")):
        yield Difference("error.message", expected["message"], error.get("message", ABSENT), "has to stand in it")


def _about_way(expected: JsonObject, outcome: Outcome) -> Iterator[Difference]:
    path = expected.get("path")
    if isinstance(path, dict):
        yield from _in_order(cast("list[str]", path["in_order"]), outcome.path)
    elif path is not None and path != list(outcome.path):
        yield Difference("path", path, list(outcome.path))
    for field, seen in (("calls", outcome.calls), ("waits", outcome.waits)):
        for name, wanted in fields_of(expected.get(field)).items():
            found = [one for one in seen if names_step(name, one.key)]
            yield from _counted(f"{field}.{name}", wanted, found)


def _in_order(wanted: Sequence[str], path: Sequence[str]) -> Iterator[Difference]:
    at = 0
    for index, key in enumerate(wanted):
        if key not in path[at:]:
            after = f" after `{wanted[index - 1]}`" if index else ""
            yield Difference("path.in_order", list(wanted), list(path), f"`{key}` did not come{after}")
            return
        at = path.index(key, at) + 1


def _counted(about: str, wanted: JsonValue, found: Sequence[Seen]) -> Iterator[Difference]:
    """Compare how many there were, and of each the fields that are named."""
    each = [wanted] if isinstance(wanted, dict) else wanted
    number = len(each) if isinstance(each, list) else each
    if number != len(found):
        keys = ", ".join(f"`{one.key}`" for one in found)
        yield Difference(about, number, len(found), keys)
    for index, one in enumerate(each if isinstance(each, list) and number == len(found) else []):
        place = about if len(found) == 1 else f"{about}[{index}]"
        for name, value in fields_of(one).items():
            yield from differences(f"{place}.{name}", value, found[index].fields.get(name, ABSENT))
