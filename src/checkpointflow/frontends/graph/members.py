"""Nodes with something inside: a graph, or a call or a graph for every item of a list."""

from __future__ import annotations

from typing import TYPE_CHECKING, cast

from checkpointflow.errors import CheckpointflowError, StepFailedError
from checkpointflow.frontends.branches import Failed, Member, Settlement, branches
from checkpointflow.frontends.graph import codes, paths
from checkpointflow.frontends.graph.grammar import DONE, MapOver, Node, Subflow
from checkpointflow.frontends.graph.machine import Visit
from checkpointflow.frontends.graph.results import check_reads, merged
from checkpointflow.kernel.run import Run
from checkpointflow.values import JsonObject, JsonValue

if TYPE_CHECKING:
    from checkpointflow.frontends.graph.walk import Walk

MOST_DEPTH = 32


async def subflow_of(outer: Walk, node: Node, subflow: Subflow, run: Run, name: str, more: JsonObject) -> JsonObject:
    """Walk the graph inside a node; what its nodes shared at the end becomes the node's own.

    Raises:
        StepFailedError: its input is not in the state, or it failed.
    """
    from checkpointflow.frontends.graph.walk import Walk

    if outer.depth >= MOST_DEPTH:
        message = f"node `{node.name}` nests graphs deeper than {MOST_DEPTH}; end the recursion"
        raise codes.node_failure(codes.MAX_STEPS_EXCEEDED, message)
    graph = outer.graph.inner(subflow)
    given = more | _given(outer, node, subflow)
    scope = run.scope(name, "subflow", meaning=[graph.digest, given])
    inner = Walk(outer.shop, graph, scope.called(given), given, outer=outer.budget, depth=outer.depth + 1)
    try:
        await inner.whole()
    except CheckpointflowError as error:
        scope.close(error)
        raise _as_node(outer, node, error) from None
    scope.close()
    told: JsonObject = {"outputs": [DONE], "tags": [*inner.tags]}
    shared = cast(JsonObject, inner.state["workflow"])
    return told | ({"node": shared} if shared else {})


def _given(outer: Walk, node: Node, subflow: Subflow) -> JsonObject:
    given: JsonObject = {}
    for name, path in subflow.input.items():
        is_there, value = paths.found_at(outer.state, path)
        if not is_there:
            message = f"node `{node.name}` hands on `{path}`, which is not in the state"
            raise codes.node_failure(codes.STATE_CONTRACT, message)
        given[name] = value
    return given


def _as_node(outer: Walk, node: Node, error: CheckpointflowError) -> CheckpointflowError:
    """What ends the run inside is a failure of the node outside, unless the time around it is over, too."""
    if not codes.ends_run(error) or outer.budget.is_spent():
        return error
    shown = codes.shown(error)
    failure = codes.node_failure(shown.code, f"the graph in node `{node.name}` failed: {error.message}")
    failure.step_key = error.step_key
    return failure


async def mapped(walk: Walk, node: Node, over: MapOver, visit: Visit) -> JsonObject:
    """Work on every item of a list, so many at a time; `results` has what each gave for its node, in their order.

    Raises:
        StepFailedError: there is no such list, or an item failed under `stop`.
    """
    check_reads(node, walk.state)
    items = _items(walk, node, over)
    scope = walk.run.scope(node.name, "map", meaning=len(items), members=len(items))
    work = (Member(index, _Item(walk, node, over, visit, index, item).run) for index, item in enumerate(items))
    try:
        ended = await branches(scope, work, limit=over.max_parallel, stop=not over.goes_on)
    except StepFailedError as error:
        scope.close(error)
        raise
    scope.close()
    return _gathered(node, ended)


class _Item:
    """One item's turn."""

    def __init__(self, walk: Walk, node: Node, over: MapOver, visit: Visit, index: int, item: JsonValue) -> None:
        self._walk = walk
        self._node = node
        self._over = over
        self._visit = visit
        self._item = item
        self._index = index

    async def run(self, run: Run) -> JsonObject:
        """Work on the item, through as many gates as it has."""
        walk, node = self._walk, self._node
        if self._over.subflow is not None:
            more: JsonObject = {"item": self._item, "index": self._index}
            return await subflow_of(walk, node, self._over.subflow, run, node.name, more)
        handler = str(self._over.handler)
        item = (self._index, self._item)
        told = await walk.call(run, node, handler, self._visit, item=item)
        while told.get("waiting") is True:
            answer = await walk.ask(run, handler, node.name, told.get("prompt"))
            before = told
            told = await walk.call(run, node, handler, self._visit, item=item, answer=(answer,))
            told = _joined(before, told)
        return told


def _items(walk: Walk, node: Node, over: MapOver) -> list[JsonValue]:
    is_there, items = paths.found_at(walk.state, over.items)
    if not is_there or not isinstance(items, list):
        what = "is no list" if is_there else "is not in the state"
        raise codes.node_failure(codes.MAP_ITEMS, f"`{over.items}`, over which node `{node.name}` maps, {what}")
    return items


def _joined(before: JsonObject, after: JsonObject) -> JsonObject:
    """Return what an item gave before and after a gate as one result."""
    result = dict(after)
    for part in ("workflow", "node"):
        if part in before:
            result[part] = merged(cast(JsonObject, before[part]), cast(JsonObject, after.get(part) or {}))
    tags = [*cast("list[JsonValue]", before.get("tags") or []), *cast("list[JsonValue]", after.get("tags") or [])]
    return result | ({"tags": tags} if tags else {})


def _gathered(node: Node, ended: list[Settlement[JsonObject]]) -> JsonObject:
    shared: JsonObject = {}
    results: list[JsonValue] = []
    errors: list[JsonValue] = []
    tags: list[JsonValue] = []
    for one in ended:
        if isinstance(one, Failed):
            if codes.ends_run(one.error):
                raise one.error
            errors.append(codes.shown(one.error, node.name).to_dict())
            results.append(None)
            continue
        errors.append(None)
        results.append(one.value.get("node") or {})
        tags += cast("list[JsonValue]", one.value.get("tags") or [])
        shared = merged(shared, cast(JsonObject, one.value.get("workflow") or {}))
    own: JsonObject = {"results": results}
    own |= {"errors": errors} if any(errors) else {}
    return {"outputs": [DONE], "workflow": shared, "node": own, "tags": tags}
