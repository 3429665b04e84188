"""Workflow documents of many shapes, from a seed, each with an edited version; nothing is run here."""

from __future__ import annotations

import json
import random
from dataclasses import dataclass
from pathlib import Path

from checkpointflow.values import JsonObject, JsonValue

EFFECT = Path(__file__).with_name("effect.sh")
SIMPLE = ("plain", "plain", "big", "once", "flaky", "slow", "failing", "ask", "ask", "asked in time", "sleep", "set")
NESTED = ("parallel", "foreach", "workflow")


@dataclass(frozen=True, kw_only=True)
class Written:
    """A document on disk, and its edited version."""

    file: Path
    edited: Path


def write_documents(folder: Path, rng: random.Random, count: int) -> list[Written]:
    """Write so many documents into a folder, and the sub-workflow that they name."""
    _write(folder / "sub.yaml", _document("sub", [_effect("sub_step", rng, "plain"), _ask("sub_ask", rng)]))
    return [_write_both(folder, rng, f"mix-{number}") for number in range(count)]


def _write_both(folder: Path, rng: random.Random, name: str) -> Written:
    steps = Steps(rng).sequence(depth=0)
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

    def __init__(self, rng: random.Random) -> None:
        self._rng = rng
        self._count = 0

    def sequence(self, depth: int) -> list[JsonObject]:
        """Return a list of steps."""
        return [self._step(depth) for _ in range(self._rng.randint(2, 4) if depth == 0 else self._rng.randint(1, 2))]

    def _step(self, depth: int) -> JsonObject:
        self._count += 1
        name = f"s{self._count}"
        how = self._rng.choice(SIMPLE + NESTED if depth < 2 else SIMPLE)
        if how in NESTED:
            return self._nested(name, how, depth)
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
    if how == "once":
        step["effect"] = "once"
    if how in ("flaky", "slow"):
        step |= {"timeout_seconds": 5, "retry": {"max_attempts": 5, "backoff_seconds": rng.choice([0, 0.3])}}
    if how == "slow":
        step["timeout_seconds"] = 1
    return step


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
