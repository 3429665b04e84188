"""Workflow documents of many shapes, from a seed, each with an edited version; nothing is run here."""

from __future__ import annotations

import json
import random
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from checkpointflow.values import JsonObject, JsonValue
from torture.web import WAYS

EFFECT = Path(__file__).with_name("effect.sh")
EFFECTS = ("plain", "plain", "big", "once", "flaky", "slow", "failing", "python", "python", "api", "api")
SIMPLE = (*EFFECTS, "ask", "ask", "asked in time", "sleep", "set")
SURE = 3
NESTED = ("parallel", "foreach", "workflow")


@dataclass(frozen=True, kw_only=True)
class Written:
    """A document on disk, and its edited version."""

    file: Path
    edited: Path


def write_documents(folder: Path, rng: random.Random, count: int, *, url: str) -> list[Written]:
    """Write so many documents into a folder, and the sub-workflow that they name; `api` steps ask the server at `url`.

    The first ones have a step of each kind of effect, whatever the seed.
    """
    _write(folder / "sub.yaml", _document("sub", [_effect("sub_step", rng, "plain"), _ask("sub_ask", rng)]))
    return [_write_both(folder, rng, number, url) for number in range(count)]


def _write_both(folder: Path, rng: random.Random, number: int, url: str) -> Written:
    name, make = f"mix-{number}", Steps(rng, url)
    steps = [*make.of_kinds(("python", "api") if number < SURE else ()), *make.sequence(depth=0)]
    more = _effect("added", rng, "plain")
    return Written(
        file=_write(folder / f"{name}.yaml", _document(name, [*steps, _end(steps)])),
        edited=_write(folder / f"{name}-edited.yaml", _document(name, [*steps, more, _end([*steps, more])])),
    )


def _write(path: Path, document: JsonObject) -> Path:
    path.write_text(json.dumps(document, indent=1))
    return path


def _document(name: str, steps: list[JsonObject]) -> JsonObject:
    workflow: JsonObject = {"id": name, "inputs": {"type": "object"}, "steps": [*steps]}
    return {"schema_version": "checkpointflow/v1", "workflow": workflow}


class Steps:
    """Makes lists of steps, each with an id of its own."""

    def __init__(self, rng: random.Random, url: str) -> None:
        self._rng = rng
        self._url = url
        self._count = 0

    def of_kinds(self, kinds: Sequence[str]) -> list[JsonObject]:
        """Return a step of each of these kinds."""
        return [self._of_kind(self._new_name(), kind) for kind in kinds]

    def sequence(self, depth: int) -> list[JsonObject]:
        """Return a list of steps."""
        return [self._step(depth) for _ in range(self._rng.randint(2, 4) if depth == 0 else self._rng.randint(1, 2))]

    def _new_name(self) -> str:
        self._count += 1
        return f"s{self._count}"

    def _step(self, depth: int) -> JsonObject:
        name, how = self._new_name(), self._rng.choice(SIMPLE + NESTED if depth < 2 else SIMPLE)
        return self._nested(name, how, depth) if how in NESTED else self._of_kind(name, how)

    def _of_kind(self, name: str, how: str) -> JsonObject:
        if how == "python":
            return _python(name, self._rng)
        if how == "api":
            return _api(name, self._rng, self._url)
        if how.startswith("ask"):
            return _ask(name, self._rng, in_time=how == "asked in time")
        if how == "sleep":
            return {"id": name, "kind": "sleep", "seconds": self._rng.choice([0.2, 1.5])}
        if how == "set":
            return {"id": name, "kind": "set", "values": {"here": "${run.id}"}}
        return _effect(name, self._rng, how)

    def _nested(self, name: str, how: str, depth: int) -> JsonObject:
        if how == "workflow":
            return {"id": name, "kind": "workflow", "workflow_ref": "sub.yaml"}
        if how == "foreach":
            body: list[JsonValue] = [*self.sequence(depth + 1)]
            items: JsonObject = {
                "items": '["a", "b", "c"]',
                "item_key": "${item}",
                "max_parallel": self._rng.randint(1, 3),
            }
            return {"id": name, "kind": "foreach", **items, "body": body}
        branches: list[JsonValue] = [{"id": f"b{one}", "steps": [*self.sequence(depth + 1)]} for one in range(2)]
        return {
            "id": name,
            "kind": "parallel",
            "branches": branches,
            "on_branch_error": self._rng.choice(["stop", "wait"]),
        }


def _effect(name: str, rng: random.Random, how: str) -> JsonObject:
    seconds = rng.choice(["0", "0.05", "0.2"])
    step: JsonObject = {"id": name, "kind": "cli", "argv": ["sh", str(EFFECT), seconds, how], "parse": "text"}
    return step | _manner(how, rng)


def _python(name: str, rng: random.Random) -> JsonObject:
    how = rng.choice(["plain", "plain", "once", "flaky", "slow", "failing"])
    args: JsonObject = {"seconds": rng.choice([0, 0.05, 0.2]), "how": how}
    return {"id": name, "kind": "python", "call": "torture.performing:perform", "args": args} | _manner(how, rng)


def _api(name: str, rng: random.Random, url: str) -> JsonObject:
    how = rng.choice([*WAYS, "plain", "once"])
    way = "plain" if how == "once" else how
    step: JsonObject = {"id": name, "kind": "api", "method": "POST", "url": f"{url}/{way}", "body": {"from": name}}
    return step | {"effect": "idempotent"} | _manner(how, rng)


def _manner(how: str, rng: random.Random) -> JsonObject:
    """Return the fields of a step that is as it is told: what takes effect once, what is tried again and when."""
    if how == "once":
        return {"effect": "once"}
    if how not in ("flaky", "slow", "torn"):
        return {}
    retry: JsonObject = {"max_attempts": 5, "backoff_seconds": rng.choice([0, 0.3])}
    return {"timeout_seconds": 1 if how == "slow" else 5, "retry": retry}


def _ask(name: str, rng: random.Random, *, in_time: bool = False) -> JsonObject:
    schema: JsonObject = {"type": "object", "properties": {"n": {"type": "string"}}, "required": ["n"]}
    step: JsonObject = {
        "id": name,
        "kind": "await_event",
        "audience": "user",
        "event_name": rng.choice(["go", "go", "stop", name]),
        "input_schema": schema,
    }
    return step | {"timeout_seconds": 2, "on_timeout": {"outputs": {"n": "late"}}} if in_time else step


def _end(steps: list[JsonObject]) -> JsonObject:
    """Return the end, whose result is what the asked have answered."""
    asked = [str(step["id"]) for step in steps if step["kind"] == "await_event"]
    return {"id": "end", "kind": "end", "result": {name: f"${{steps.{name}.outputs.n}}" for name in asked}}
