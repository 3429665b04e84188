"""`foreach`: a body, or a sub-workflow, for every item of a list."""

from __future__ import annotations

from checkpointflow.errors import StepFailedError
from checkpointflow.expressions.frame import noun
from checkpointflow.frontends.branches import Member, Ok, branches
from checkpointflow.frontends.document.blocks.parallel import limit_of, list_value
from checkpointflow.frontends.document.blocks.workflow import run_sub, sub_inputs
from checkpointflow.frontends.document.frame import Done, Frame
from checkpointflow.frontends.document.model import Document, Step
from checkpointflow.kernel.run import Run
from checkpointflow.schemas import show
from checkpointflow.values import JsonObject, JsonValue


async def run_foreach(frame: Frame, step: Step) -> Done:
    """Run the iterations, at most `max_parallel` at a time; `iterations` has what each gave, in item order.

    Raises:
        StepFailedError: `items` is no list, two items share a key, or an iteration failed under `stop`.
    """
    items = frame.texts.items(step, frame.context)
    if not isinstance(items, list):
        raise frame.failure(step, f"`items` of foreach `{step.id}` is {noun(items)}; give it a list")
    names = _names(frame, step, items)
    meaning: JsonValue = [*names] if "item_key" in step.fields else len(items)
    scope = frame.run.scope(step.id, "foreach", meaning=meaning, members=len(items))
    before: dict[int, JsonObject] = {}
    members = (
        Member(name, _Iteration(frame, step, index, item, before).run)
        for index, (name, item) in enumerate(zip(names, items, strict=True))
    )
    stop = step.fields.get("on_item_error", "stop") == "stop"
    try:
        ended = await branches(scope, members, limit=limit_of(step) or 1, stop=stop)
    except StepFailedError as error:
        scope.close(error)
        raise
    scope.close()
    values = [
        one.value if isinstance(one, Ok) else before.get(index, {}) | {"error": _shown(one.error)}
        for index, one in enumerate(ended)
    ]
    return Done(outputs={"iterations": values})


def _names(frame: Frame, step: Step, items: list[JsonValue]) -> list[int | str]:
    if "item_key" not in step.fields:
        return list(range(len(items)))
    names: list[int | str] = []
    for index, item in enumerate(items):
        roots = frame.roots | _item_roots(frame, index, item)
        name = frame.texts.text(step, "item_key", context=roots, inside="item")
        if not name or name in names:
            raise frame.failure(
                step, f"item {index} of foreach `{step.id}` has the key {show(name)}; `item_key` has to be unique text"
            )
        names.append(name)
    return names


def _item_roots(frame: Frame, index: int, item: JsonValue) -> JsonObject:
    inputs = frame.roots["inputs"]
    if isinstance(inputs, dict):
        inputs = {**inputs, "_foreach_item": item, "_foreach_index": index}
    return {"item": item, "item_index": index, "inputs": inputs}


def _takes(schema: JsonValue, name: str) -> bool:
    """Tell whether an input may have this name: one that is closed and does not declare it, as few do, is spared it."""
    if not isinstance(schema, dict) or schema.get("additionalProperties", True) is not False:
        return True
    properties = schema.get("properties")
    return isinstance(properties, dict) and name in properties


def _shown(error: StepFailedError) -> JsonObject:
    return {"code": error.code, "message": error.message, "details": error.details}


class _Iteration:
    """One item's turn; `before` gets what it gave before it failed."""

    def __init__(self, frame: Frame, step: Step, index: int, item: JsonValue, before: dict[int, JsonObject]) -> None:
        self._frame = frame
        self._step = step
        self._index = index
        self._item = item
        self._before = before

    async def run(self, run: Run) -> JsonValue:
        """Run the item."""
        roots = _item_roots(self._frame, self._index, self._item)
        if "body" not in self._step.lists:
            return await self._sub_workflow(run, roots)
        inner = self._frame.inner(run, self._step.lists["body"], roots)
        try:
            return await list_value(inner)
        except StepFailedError:
            self._before[self._index] = inner.value()
            raise

    async def _sub_workflow(self, run: Run, roots: JsonObject) -> JsonValue:
        frame, step = self._frame, self._step
        document = frame.document.sub_workflow(str(step.workflow_ref))
        return await run_sub(frame, run, document, sub_inputs(frame, step, document, self._given(document, roots)))

    def _given(self, document: Document, roots: JsonObject) -> JsonValue:
        """Return what is passed on: `inputs` as written, else, as in 1.x, the item under the names that fit."""
        frame, step = self._frame, self._step
        if "inputs" not in step.fields:
            names = {"_foreach_item": roots["item"], "_foreach_index": roots["item_index"]}
            return {name: value for name, value in names.items() if _takes(document.inputs, name)}
        with frame.blaming(step):
            return frame.texts.value(step, "inputs", context=frame.roots | roots, inside="item")
