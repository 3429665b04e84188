"""A document as frozen data, built from its JSON tree alone; no YAML, no checks, nothing that runs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cached_property
from typing import TypeAlias, cast

from checkpointflow.errors import UnknownKindError
from checkpointflow.frontends.document.schema import MAX_VISITS
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue

Path: TypeAlias = tuple[str | int, ...]

END = "end"
STEPS_PATH: Path = ("workflow", "steps")
ON_ERROR: Path = ("workflow", "on_error", "next")


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """One step as written.

    `path` is where it stands in the tree. `fields` holds every field as written; the others are read
    from it: `when` is the text of `if`, `on_error` the target of `on_error`, `retry` the policy as JSON.
    `lists` are the step's own lists of steps: `body` of a `foreach`, one per branch id of a `parallel`.
    """

    id: str
    kind: str
    path: Path
    fields: JsonObject
    when: str | None
    next: str | None
    on_error: str | None
    retry: JsonObject | None
    timeout_seconds: float | None
    effect: str | None
    outputs: JsonValue
    risk_level: str | None
    lists: Mapping[str, tuple[Step, ...]]

    def jumps(self) -> Iterator[tuple[Path, str]]:
        """Yield every target that the step names, with its path below the step; `start_at` is no jump."""
        yield from _jumps(self.fields)

    def started(self) -> Iterator[tuple[Path, str]]:
        """Yield the steps of the same list that a `parallel` starts, with their paths below the step."""
        for index, branch in enumerate(_list(self.fields.get("branches"))):
            if isinstance(branch, dict) and isinstance(branch.get("start_at"), str):
                yield ("branches", index, "start_at"), str(branch["start_at"])

    @property
    def workflow_ref(self) -> str | None:
        """The workflow that the step runs, as written."""
        return _text(self.fields.get("workflow_ref"))


@dataclass(frozen=True, kw_only=True)
class Document:
    """A workflow document.

    `inputs` is a JSON Schema, `outputs` too, where declared. `secrets` says by name where each is kept,
    `{"env": NAME}` or `{"file": PATH}`. `refs` maps every `workflow_ref` as written
    to a key of `library`, which holds all documents of the definition.
    """

    id: str
    name: str | None
    version: str | None
    description: str | None
    inputs: JsonValue
    defaults: JsonObject
    max_visits: int
    steps: tuple[Step, ...]
    outputs: JsonValue
    on_error: str | None
    secrets: Mapping[str, JsonObject] = field(default_factory=dict)
    path: str | None = None
    refs: Mapping[str, str] = field(default_factory=dict)
    library: Mapping[str, Document] = field(default_factory=dict, repr=False, compare=False)

    @classmethod
    def from_tree(
        cls,
        tree: JsonObject,
        *,
        path: str | None = None,
        refs: Mapping[str, str] | None = None,
        library: Mapping[str, Document] | None = None,
    ) -> Document:
        """Return the document of a checked tree; of an unchecked one, as much as can be read.

        `library` may be filled later, so that documents can name each other.
        """
        workflow = _dict(tree.get("workflow"))
        visits = _dict(workflow.get("limits")).get("max_visits")
        return cls(
            id=_text(workflow.get("id")) or "",
            name=_text(workflow.get("name")),
            version=_text(workflow.get("version")),
            description=_text(workflow.get("description")),
            inputs=workflow.get("inputs"),
            defaults=_dict(workflow.get("defaults")),
            max_visits=int(visits) if isinstance(visits, int | float) else MAX_VISITS,
            steps=_steps(workflow.get("steps"), STEPS_PATH),
            outputs=workflow.get("outputs"),
            on_error=_text(_dict(workflow.get("on_error")).get("next")),
            secrets={name: _dict(source) for name, source in _dict(workflow.get("secrets")).items()},
            path=path,
            refs=dict(refs or {}),
            library={} if library is None else library,
        )

    def sub_workflow(self, ref: str) -> Document:
        """Return the document that a `workflow_ref`, as written here, names.

        Raises:
            KeyError: no step of this document names it.
        """
        return self.library[self.refs[ref]]

    def all_steps(self) -> Iterator[Step]:
        """Yield every step, those of inner lists after the step that holds them."""
        for steps in self.all_lists():
            yield from steps

    def all_lists(self) -> Iterator[tuple[Step, ...]]:
        """Yield the main list, then every inner list."""
        yield from _lists(self.steps)

    def workflow_refs(self) -> list[str]:
        """Return every `workflow_ref` as written, each once, in the order of the document."""
        refs = [step.workflow_ref for step in self.all_steps()]
        return list(dict.fromkeys(ref for ref in refs if ref))

    def all_secrets(self) -> list[tuple[str, JsonObject]]:
        """Return the secrets of the whole definition, those of its sub-workflows included, by name and place."""
        found: list[tuple[str, JsonObject]] = []
        for document in (self, *self.library.values()):
            found += [secret for secret in document.secrets.items() if secret not in found]
        return found

    @cached_property
    def withheld(self) -> frozenset[str]:
        """The environment variables that hold secrets of the whole definition."""
        return frozenset(str(source["env"]) for _, source in self.all_secrets() if "env" in source)

    def refuse_unknown_kinds(self) -> None:
        """Do nothing if this version has every kind of step that the document uses.

        Raises:
            UnknownKindError: it lacks one.
        """
        for step in self.all_steps():
            if step.kind not in KINDS:
                raise UnknownKindError(
                    f"step `{step.id}` is of kind `{step.kind}`, which this version does not have",
                    hint="go on with the version that started the run",
                )

    @cached_property
    def places(self) -> Mapping[Path, tuple[Step, ...]]:
        """Every list of steps by the path of the list."""
        return {steps[0].path[:-1]: steps for steps in self.all_lists() if steps}


def _lists(steps: tuple[Step, ...]) -> Iterator[tuple[Step, ...]]:
    yield steps
    for step in steps:
        for inner in step.lists.values():
            yield from _lists(inner)


def _steps(value: JsonValue, path: Path) -> tuple[Step, ...]:
    return tuple(_step(fields, (*path, index)) for index, fields in enumerate(_list(value)) if isinstance(fields, dict))


def _step(fields: JsonObject, path: Path) -> Step:
    timeout = fields.get("timeout_seconds")
    return Step(
        id=_text(fields.get("id")) or "",
        kind=_text(fields.get("kind")) or "",
        path=path,
        fields=fields,
        when=condition_text(fields.get("if")),
        next=_text(fields.get("next")),
        on_error=_text(_dict(fields.get("on_error")).get("next")),
        retry=cast("JsonObject | None", fields.get("retry")),
        timeout_seconds=float(timeout) if isinstance(timeout, int | float) else None,
        effect=_text(fields.get("effect")),
        outputs=fields.get("outputs"),
        risk_level=_text(fields.get("risk_level")),
        lists=_inner_lists(fields, path),
    )


def _inner_lists(fields: JsonObject, path: Path) -> Mapping[str, tuple[Step, ...]]:
    lists: dict[str, tuple[Step, ...]] = {}
    if "body" in fields and fields.get("kind") != "api":  # whose body is what is sent
        lists["body"] = _steps(fields["body"], (*path, "body"))
    for index, branch in enumerate(_list(fields.get("branches"))):
        if isinstance(branch, dict) and "steps" in branch:
            name = _text(branch.get("id")) or f"[{index}]"
            lists[name] = _steps(branch["steps"], (*path, "branches", index, "steps"))
    return lists


def _jumps(fields: JsonObject) -> Iterator[tuple[Path, str]]:
    for name in ("next", "default"):
        target = fields.get(name)
        if isinstance(target, str):
            yield (name,), target
    for name in ("on_error", "on_timeout"):
        target = _dict(fields.get(name)).get("next")
        if isinstance(target, str):
            yield (name, "next"), target
    for name in ("cases", "transitions"):
        for index, case in enumerate(_list(fields.get(name))):
            if isinstance(case, dict) and isinstance(case.get("next"), str):
                yield (name, index, "next"), str(case["next"])


def condition_text(value: JsonValue) -> str | None:
    """Return a condition as text, also one that is written as `true` or `false`."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return _text(value)


def _text(value: JsonValue) -> str | None:
    return value if isinstance(value, str) else None


def _dict(value: JsonValue) -> JsonObject:
    return value if isinstance(value, dict) else {}


def _list(value: JsonValue) -> list[JsonValue]:
    return value if isinstance(value, list) else []
