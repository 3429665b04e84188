"""A document as a picture: its steps, what follows what, and its inner lists as groups; nothing is drawn or run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import cast

from checkpointflow.frontends.document.answers import Answers
from checkpointflow.frontends.document.model import END, Document, Step
from checkpointflow.kernel.scope import encoded_name, member_key
from checkpointflow.pictures.picture import Edge, EdgeKind, Group, Node, Picture, Shape
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonValue, dump

MOST_BOXES = 5_000
MOST_DEPTH = 40
"""Sub-workflows that would lead beyond these are shown as references: documents may name each other without end."""

_MOST_DETAIL = 2_000
_TOLD = (
    "name", "description", "if", "command", "argv", "shell", "method", "url", "call", "audience", "event_name",
    "summary", "prompt", "items", "item_key", "workflow_ref", "seconds", "until", "result", "fail", "effect", "retry",
    "timeout_seconds", "max_parallel", "on_item_error", "on_branch_error", "risk_level", "tags",
)  # fmt: skip
"""The fields that a picture tells; values that are handed on (`env`, `headers`, `body`, `inputs`) stay out."""
_SUMMARIES: Mapping[str, tuple[str, ...]] = {
    "cli": ("command", "argv"),
    "api": ("url",),
    "python": ("call",),
    "sleep": ("seconds", "until"),
    "await_event": ("event_name",),
    "foreach": ("items",),
    "workflow": ("workflow_ref",),
    "end": ("fail", "result"),
}
_SHAPES: Mapping[str, Shape] = {"switch": "decision", "await_event": "wait", "sleep": "wait", "end": "end"}


def picture_of(document: Document) -> Picture:
    """Return the picture of a document; what a sub-workflow does stands inside the step that runs it."""
    builder = _Builder()
    builder.add_list(_Place(document, document.steps, None, "", (_key_of(document),)), document.on_error)
    version = f"version {document.version}" if document.version else ""
    return Picture(
        title=document.name or document.id,
        about=" · ".join(part for part in (document.id, version, document.description or "") if part),
        nodes=tuple(builder.nodes),
        groups=tuple(builder.groups),
        edges=tuple(builder.edges),
        boxes=tuple(builder.boxes),
    )


@dataclass(frozen=True, slots=True)
class _Place:
    """A list of steps: its document, the group around it, what its keys begin with, and the documents it is in."""

    document: Document
    steps: tuple[Step, ...]
    group: str | None
    prefix: str
    within: tuple[str, ...]
    depth: int = 0


@dataclass(slots=True)
class _Builder:
    nodes: list[Node] = field(default_factory=list)
    groups: list[Group] = field(default_factory=list)
    edges: list[Edge] = field(default_factory=list)
    boxes: list[str] = field(default_factory=list)
    answers: dict[int, Answers] = field(default_factory=dict)

    def add_list(self, place: _Place, on_error: str | None = None) -> None:
        """Add a list: where it is entered, its steps, and where it is left if anything leads there."""
        started = {target for step in place.steps for _, target in step.started()}
        order = [step for step in place.steps if step.id not in started]
        start = self._node("start", "start", place)
        failure = self._node("failure", "on any failure", place) if on_error is not None else ""
        names = {step.id: self._step(step, place) for step in order}
        ids = [step.id for step in order]
        ways = _Ways(names, dict(zip(ids, [*ids[1:], None], strict=False)), self._answers(place.document))
        found = [Edge(source=start, target=names[order[0].id])] if order else []
        if on_error is not None:
            found.append(Edge(source=failure, target=names.get(on_error, ""), kind="error"))
        for step in order:
            found += ways.leaving(step)
        self._connect(found, place)

    def _answers(self, document: Document) -> Answers:
        if id(document) not in self.answers:
            self.answers[id(document)] = Answers(document)
        return self.answers[id(document)]

    def _connect(self, edges: list[Edge], place: _Place) -> None:
        """Keep the edges; those without a target lead out of the list."""
        leaving = [edge for edge in edges if not edge.target]
        exit_node = self._node("exit", "(end)", place) if leaving else ""
        for edge in edges:
            target = edge.target or exit_node
            self.edges.append(Edge(source=edge.source, target=target, kind=edge.kind, label=edge.label))

    def _node(self, shape: Shape, label: str, place: _Place) -> str:
        node = Node(id=self._name(), shape=shape, label=label, group=place.group)
        self.nodes.append(node)
        return node.id

    def _name(self) -> str:
        self.boxes.append(f"b{len(self.boxes)}")
        return self.boxes[-1]

    # -- steps -----------------------------------------------------------------------------------

    def _step(self, step: Step, place: _Place) -> str:
        key = place.prefix + encoded_name(step.id)
        if step.kind == "parallel" and place.depth < MOST_DEPTH:
            return self._parallel(step, place, key)
        if "body" in step.lists and place.depth < MOST_DEPTH:
            name = self._group(step, place, key)
            self.add_list(_Place(place.document, step.lists["body"], name, f"{key}[*]/", place.within, place.depth + 1))
            return name
        if step.workflow_ref is not None:
            return self._sub_workflow(step, place, key)
        return self._plain(step, place, key, _SHAPES.get(step.kind, "step"))

    def _plain(self, step: Step, place: _Place, key: str, shape: Shape, more: str = "") -> str:
        told = (*_details(step), ("shown", more)) if more else _details(step)
        node = Node(
            id=self._name(), shape=shape, label=step.id, kind=step.kind, about=_about(step), key=key,
            group=place.group, details=told,
        )  # fmt: skip
        self.nodes.append(node)
        return node.id

    def _group(self, step: Step, place: _Place, key: str) -> str:
        group = Group(
            id=self._name(), label=step.id, kind=step.kind, about=_about(step), key=key, group=place.group,
            details=_details(step),
        )  # fmt: skip
        self.groups.append(group)
        return group.id

    def _sub_workflow(self, step: Step, place: _Place, key: str) -> str:
        ref = str(step.workflow_ref)
        name = place.document.refs[ref]
        if name in place.within:
            return self._plain(step, place, key, "reference", f"`{ref}` is around this step already")
        if len(self.boxes) >= MOST_BOXES or place.depth >= MOST_DEPTH:
            return self._plain(step, place, key, "reference", f"what `{ref}` does is left out: the picture is full")
        inner = place.document.sub_workflow(ref)
        group = self._group(step, place, key)
        prefix = f"{key}[*]/" if step.kind == "foreach" else f"{key}/"
        within = (*place.within, name)
        self.add_list(_Place(inner, inner.steps, group, prefix, within, place.depth + 1), inner.on_error)
        return group

    def _parallel(self, step: Step, place: _Place, key: str) -> str:
        group = self._group(step, place, key)
        siblings = {sibling.id: sibling for sibling in place.steps}
        for branch in cast("list[dict[str, str]]", step.fields["branches"]):
            name = branch.get("start_at") or branch["id"]
            member = member_key(key, name)
            inner = _Place(place.document, place.steps, group, f"{member}/", place.within, place.depth + 1)
            if "start_at" in branch:
                self._step(siblings[name], inner)
            else:
                box = Group(id=self._name(), label=name, kind="branch", key=member, group=group)
                self.groups.append(box)
                self.add_list(
                    _Place(place.document, step.lists[name], box.id, f"{member}/", place.within, place.depth + 2)
                )
        return group


# -- what follows ----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Ways:
    """Where the steps of one list lead: `names` are the ids of their boxes, `after` is what the list runs next."""

    names: Mapping[str, str]
    after: Mapping[str, str | None]
    answers: Answers

    def leaving(self, step: Step) -> Iterator[Edge]:
        """Yield the edges that leave a step; one without a target leads out of the list."""
        following = self._following(step)
        onward = following if step.next is None else self._target(step.next)
        kind: EdgeKind = "next" if step.next is None else "jump"
        if step.kind == "switch":
            yield from self._cases(step, "cases")
            if "default" in step.fields:
                yield self._edge(step, self._target(str(step.fields["default"])), "case", "otherwise")
        elif step.kind == "await_event":
            yield from self._answered(step, onward, kind)
        elif step.kind != "end":
            yield self._edge(step, onward, kind)
        if step.when is not None:
            yield self._edge(step, following, "skip")
        if step.on_error is not None:
            yield self._edge(step, self._target(step.on_error), "error")

    def _answered(self, step: Step, onward: str, kind: EdgeKind) -> Iterator[Edge]:
        cases = list(self._cases(step, "transitions"))
        yield from cases
        if not cases:
            yield self._edge(step, onward, kind)
        elif not self.answers.are_all_taken(step):
            yield self._edge(step, onward, "case", "otherwise")
        late = step.fields.get("on_timeout")
        if isinstance(late, dict):
            target = late.get("next")
            yield self._edge(step, onward if target is None else self._target(str(target)), "timeout")

    def _cases(self, step: Step, field_name: str) -> Iterator[Edge]:
        cases = step.fields.get(field_name)
        for case in cases if isinstance(cases, list) else []:
            if isinstance(case, dict):
                yield self._edge(step, self._target(str(case["next"])), "case", _text(case["when"]))

    def _edge(self, step: Step, target: str, kind: EdgeKind, label: str = "") -> Edge:
        return Edge(source=self.names[step.id], target=target, kind=kind, label=label)

    def _following(self, step: Step) -> str:
        after = self.after[step.id]
        return "" if after is None else self.names[after]

    def _target(self, target: str) -> str:
        return "" if target == END and END not in self.names else self.names[target]


# -- texts -----------------------------------------------------------------------------------------


def _about(step: Step) -> str:
    """Return what a step does, in a few words: its condition or its name, else the field that tells most."""
    if step.when is not None:
        return f"if {step.when}"
    written = [step.fields.get("name"), *(step.fields.get(name) for name in _SUMMARIES.get(step.kind, ()))]
    if step.kind == "set":
        written.append(", ".join(cast("dict[str, JsonValue]", step.fields["values"])))
    text = next((_text(value) for value in written if value is not None), "")
    first = next((line.strip() for line in text.splitlines() if line.strip()), "")
    return f"{_text(step.fields.get('method', 'GET'))} {first}" if step.kind == "api" and written[0] is None else first


def _details(step: Step) -> tuple[tuple[str, str], ...]:
    return tuple((name, _text(step.fields[name])[:_MOST_DETAIL]) for name in _TOLD if name in step.fields)


def _text(value: JsonValue) -> str:
    if isinstance(value, list) and all(isinstance(one, str) for one in value):
        return " ".join(map(str, value))
    return value if isinstance(value, str) else dump(value)


def _key_of(document: Document) -> str:
    return next((key for key, one in document.library.items() if one is document), "")
