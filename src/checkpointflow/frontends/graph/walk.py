"""A walk through one graph: it takes visits from the machine, has them done, and folds their results into the state."""

from __future__ import annotations

from collections.abc import Coroutine
from typing import Any, cast

from checkpointflow.errors import CheckpointflowError, StepFailedError, StepTimeoutError
from checkpointflow.frontends.graph import codes, members
from checkpointflow.frontends.graph.budget import Budget, spent
from checkpointflow.frontends.graph.calling import ERROR, Call, Shop, effect_of
from checkpointflow.frontends.graph.grammar import ANSWER, Graph, Node
from checkpointflow.frontends.graph.handlers import WorkflowError
from checkpointflow.frontends.graph.machine import Machine, Visit
from checkpointflow.frontends.graph.results import check_reads, merged
from checkpointflow.kernel.run import Expired, Fiber, Run, Scope, WaitRequest
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue

_VISITS = "(visits)"


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One row of the audit trail: what came of one call for a visit."""

    step: int
    wave: int
    node: str
    visit: int
    status: str
    outputs: tuple[str, ...] = ()
    error: WorkflowError | None = None
    key: str | None = None


class Walk:
    """One graph in one scope of a run.

    `state` is never changed, only replaced, so that a call keeps the one it began with. `trace` names the nodes whose
    visits have ended, in that order.
    """

    def __init__(
        self, shop: Shop, graph: Graph, run: Run, given: JsonObject, *, outer: Budget | None = None, depth: int = 0
    ) -> None:
        self.shop = shop
        self.graph = graph
        self.run = run
        self.depth = depth
        self.machine = Machine(graph)
        self.budget = Budget(run, graph.policy.workflow_timeout_seconds, outer)
        self.state: JsonObject = {"input": given, "workflow": {}, "node": {}}
        self.trace: list[str] = []
        self.tags: dict[str, None] = {}
        self.audit: list[Row] = []
        self.recovered: WorkflowError | None = None
        self.prompts: dict[str, tuple[str, str | None]] = {}
        self._steps = 0
        self._asked = 0
        self._answers: dict[Visit, JsonValue] = {}
        self._going: dict[Fiber[Any], tuple[Visit, bool]] = {}
        self._last_keys: dict[Visit, tuple[str | None, int]] = {}
        self._scope: Scope | None = None

    async def whole(self) -> None:
        """Walk until nothing is ready, running or waiting.

        Raises:
            StepFailedError: a node failed, and nothing says where that leads.
            CheckpointflowError: a join starved, or there were too many steps.
        """
        limit = self.graph.policy.max_parallel
        while True:
            visit = self.machine.take() if self.machine.running < limit else None
            if visit is not None:
                await self._begin(visit)
            elif self._going:
                await self._next_settled()
            else:
                break
        self._refuse_starved()

    # -- visits ----------------------------------------------------------------------------------

    async def _begin(self, visit: Visit) -> None:
        work = self._work(visit)
        if self.graph.policy.max_parallel > 1:
            self._spawn(work, visit, is_answer=False)
            return
        try:
            told = await work
        except StepFailedError as error:
            self._failed(visit, error)
        else:
            self._ended(visit, told)

    async def _next_settled(self) -> None:
        assert self._scope is not None
        fiber = await self._scope.settled()
        if fiber not in self._going:  # it was cancelled
            return
        visit, is_answer = self._going.pop(fiber)
        if is_answer:
            self._answers[visit] = fiber.result()
            self.prompts.pop(_named(visit), None)
            self.machine.answered(visit)
        elif isinstance(fiber.error, StepFailedError):
            self._failed(visit, fiber.error)
        else:
            self._ended(visit, fiber.result())

    def _spawn(self, work: Coroutine[Any, Any, Any], visit: Visit, *, is_answer: bool) -> None:
        if self._scope is None:
            self._scope = self.run.scope(_VISITS, "visits")
        self._asked += 1
        item = f"{_named(visit)}{ANSWER if is_answer else ''} {self._asked}"
        fiber = self._scope.spawn(lambda _run: work, item=item)
        self._going[fiber] = (visit, is_answer)

    async def _work(self, visit: Visit) -> JsonObject:
        node = self.graph.nodes[visit.node]
        if node.subflow is not None:
            return await members.subflow_of(self, node, node.subflow, self.run, node.name, {})
        if node.map is not None:
            return await members.mapped(self, node, node.map, visit)
        assert node.handler is not None
        answer = (self._answers.pop(visit),) if visit in self._answers else ()
        return await self.call(self.run, node, node.handler, visit, answer=answer)

    async def call(
        self,
        run: Run,
        node: Node,
        handler: str,
        visit: Visit,
        *,
        answer: tuple[JsonValue, ...] = (),
        item: tuple[int, JsonValue] | None = None,
    ) -> JsonObject:
        """Call a handler once, as one step, and return what was recorded of its result.

        Raises:
            StepFailedError: it failed for good.
            CheckpointflowError: the run's steps or time are used up.
        """
        step = self._next_step(node)
        self._last_keys[visit] = (None, step)
        check_reads(node, self.state)
        bound = self.budget.begin(node.name)
        try:
            call = Call(
                node=node,
                handler=handler,
                visit=visit.number,
                wave=visit.wave,
                step=step,
                state=self.state,
                is_strict=self.graph.policy.strict_outputs,
                graph_name=self.graph.name,
                definition=self.graph.definition,
                answer=answer,
                item=item,
                bound=bound,
            )
            verb = run.perform(node.name if item is None else handler, effect_of(self.shop, call))
            self.shop.calls[verb.key] = call
            self._last_keys[visit] = (verb.key, step)
            result = await verb
        except StepTimeoutError as error:
            if not codes.ends_run(error) and call.is_bound_by_graph:
                raise spent(None, node.name, error.step_key) from None
            raise
        finally:
            self.budget.end()
        return cast(JsonObject, result.output)

    def _next_step(self, node: Node) -> int:
        most = self.graph.policy.max_steps
        if most is not None and self._steps >= most:
            message = f"the graph made {most} calls and would make another at node `{node.name}`; raise `max_steps`"
            raise codes.run_failure(codes.MAX_STEPS_EXCEEDED, message)
        self._steps += 1
        return self._steps

    async def ask(self, run: Run, name: str, event: str, prompt: JsonValue) -> JsonValue:
        """Wait for the answer to a gate."""
        request = WaitRequest(event_name=event, prompt=None if prompt is None else str(prompt), input_schema=True)
        answer = await run.wait(f"{name}{ANSWER}", request)
        assert not isinstance(answer, Expired)  # it has no deadline
        return answer.payload

    # -- what comes of a visit -------------------------------------------------------------------

    def _ended(self, visit: Visit, told: JsonObject) -> None:
        self._fold(visit.node, told)
        outputs = tuple(cast("list[str]", told["outputs"]))
        is_waiting = told.get("waiting") is True
        self._note(visit, "waiting" if is_waiting else "succeeded", outputs)
        if is_waiting:
            self.machine.wait(visit)
            prompt = told.get("prompt")
            self.prompts[_named(visit)] = (visit.node, None if prompt is None else str(prompt))
            self._spawn(self.ask(self.run, visit.node, visit.node, prompt), visit, is_answer=True)
            return
        self.trace.append(visit.node)
        self.machine.fire(visit, outputs)

    def _fold(self, name: str, told: JsonObject) -> None:
        shared = cast(JsonObject, self.state["workflow"])
        nodes = cast("dict[str, JsonObject]", self.state["node"])
        if "workflow" in told:
            self.state = self.state | {"workflow": merged(shared, cast(JsonObject, told["workflow"]))}
        if "node" in told:
            own = merged(nodes.get(name, {}), cast(JsonObject, told["node"]))
            self.state = self.state | {"node": cast(JsonValue, {**nodes, name: own})}
        self.tags |= dict.fromkeys(cast("list[str]", told.get("tags") or []))

    def _failed(self, visit: Visit, error: StepFailedError) -> None:
        """Lead a failure where its node or the graph says, or raise it."""
        if codes.ends_run(error):
            raise error
        shown = codes.shown(error, visit.node)
        self.state = self.state | {"workflow": cast(JsonObject, self.state["workflow"]) | {ERROR: shown.to_dict()}}
        self.trace.append(visit.node)
        self._note(visit, "failed", error=shown)
        if self.machine.fail(visit):
            return
        if self.graph.error_node is None or self.recovered is not None:
            error.details.setdefault("node", visit.node)
            raise error
        self.recovered = shown
        self._drop_all()
        self.machine.divert(self.graph.error_node)

    def _drop_all(self) -> None:
        going, self._going = self._going, {}
        self._answers.clear()
        self.prompts.clear()
        for fiber in going:
            fiber.cancel()

    def _note(
        self, visit: Visit, status: str, outputs: tuple[str, ...] = (), error: WorkflowError | None = None
    ) -> None:
        key, step = self._last_keys.pop(visit, (None, self._steps))
        self.audit.append(
            Row(
                step=step,
                wave=visit.wave,
                node=visit.node,
                visit=visit.number,
                status=status,
                outputs=outputs,
                error=error,
                key=key,
            )
        )

    def _refuse_starved(self) -> None:
        starved = self.machine.starved()
        if not starved:
            return
        first = starved[0]
        message = (
            f"the join at node `{first.node}` has tokens of {_listed(first.arrived)} and will never have those of "
            f"{_listed(first.missing)}"
        )
        error: CheckpointflowError = codes.run_failure(codes.JOIN_STARVED, message)
        error.details["node"] = first.node
        error.details["given"] = {one.node: [*one.missing] for one in starved}
        raise error


def _named(visit: Visit) -> str:
    return visit.node if visit.number == 1 else f"{visit.node}#{visit.number}"


def _listed(names: tuple[str, ...]) -> str:
    return ", ".join(f"`{name}`" for name in names)
