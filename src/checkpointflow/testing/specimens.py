"""Small workflows of every front-end, with what has to come of them on any engine; nothing runs here."""
# ruff: noqa: D103 - handlers and workflows are what they do

from __future__ import annotations

from collections.abc import Mapping
from enum import Enum

from checkpointflow.errors import StepFailedError
from checkpointflow.frontends.definition import Definition
from checkpointflow.frontends.document.loader import load_text
from checkpointflow.frontends.functions.context import WorkflowContext
from checkpointflow.frontends.functions.definition import FunctionDefinition
from checkpointflow.frontends.functions.tasks import current_step
from checkpointflow.frontends.graph.definition import GraphDefinition
from checkpointflow.frontends.graph.handlers import HandlerResult, NodeContext
from checkpointflow.kernel.capabilities import Capability
from checkpointflow.records import dataclass, field
from checkpointflow.values import JsonObject, JsonValue


@dataclass(frozen=True, kw_only=True, slots=True)
class Specimen:
    """A workflow, its input, the answers by step key, and what comes of it: end, error code, keys of the journal."""

    name: str
    definition: Definition
    input: JsonObject = field(default_factory=dict)
    answers: Mapping[str, JsonValue] = field(default_factory=dict)
    status: str = "completed"
    result: JsonValue = None
    error: str | None = None
    keys: tuple[str, ...] = ()
    needs: frozenset[Capability] = frozenset()


def document(steps: str, head: str = "") -> Definition:
    """Return a document of these steps, a YAML list."""
    lines = [f"  {line}" for line in ["id: specimen", "inputs: {}", *head.splitlines(), "steps:", *steps.splitlines()]]
    return load_text(
        "\n".join(["schema_version: checkpointflow/v1", "workflow:", *lines, ""]), source_path=None, cwd="/"
    )


# -- documents -------------------------------------------------------------------------------------

_SHAPES = """
- {id: start, kind: set, values: {n: "${inputs.n + 1}"}}
- {id: way, kind: switch, cases: [{when: steps.start.outputs.n > 2, next: many}], default: few}
- {id: few, kind: end, result: few}
- id: many
  kind: foreach
  items: "[0, 1, steps.start.outputs.n]"
  body: [{id: s, kind: cli, parse: json, command: "echo ${item * 2}"}]
- id: both
  kind: parallel
  branches:
    - {id: x, steps: [{id: one, kind: cli, parse: text, command: "printf a"},
                      {id: two, kind: cli, parse: text, command: "printf '%sb' \\"${steps.one.outputs}\\""}]}
    - {id: y, steps: [{id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: integer}}]}
- {id: last, kind: end, result: {many: "${steps.many.outputs}", both: "${steps.both.outputs}"}}
"""
_TRIES = """
- {id: flaky, kind: cli, command: 'test "$CPF_ATTEMPT" = 3', retry: {max_attempts: 3, backoff_seconds: 0.01}}
- {id: fails, kind: cli, command: 'exit 7', on_error: {next: mend}}
- {id: mend, kind: cli, command: 'echo mended', parse: text}
- {id: slow, kind: cli, command: 'sleep 60', timeout_seconds: 0.3, on_error: {next: last}}
- {id: last, kind: end, result: "${steps.mend.outputs}"}
"""
_TIMES = """
- {id: nap, kind: sleep, seconds: 0.2}
- {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {}, timeout_seconds: 0.3,
   on_timeout: {next: late}}
- {id: early, kind: end, result: early}
- {id: late, kind: end, result: late}
"""

# -- functions -------------------------------------------------------------------------------------


class Colour(Enum):
    """An argument that is no JSON."""

    RED = "red"


@dataclass(frozen=True, slots=True)
class Point:
    """An argument and a result that are no JSON."""

    x: int
    colour: Colour = Colour.RED


def doubled(point: Point) -> Point:
    return Point(point.x * 2, Colour(point.colour))


async def plus(one: int, *, other: int = 1) -> int:
    return one + other


def tried() -> int:
    attempt = current_step().attempt
    if attempt < 2:
        raise OSError("not yet")
    return attempt


def _refused(name: str) -> str:
    raise ValueError(name)


async def branch(ctx: WorkflowContext, number: int) -> int:
    once = await ctx.task(plus, number)
    return await ctx.task(plus, once, other=10)


async def asking(ctx: WorkflowContext) -> str:
    answer = await ctx.wait_for_event("go", schema={"type": "string"})
    return str(answer)


@FunctionDefinition
async def shaped(ctx: WorkflowContext, number: int = 1) -> JsonObject:
    ctx.state.set("stage", "begun")
    point = await ctx.task(doubled, Point(number))
    first, second, said = await ctx.parallel(branch(ctx, 1), branch(ctx, 2), asking(ctx))
    mapped = await ctx.map(plus, [1, 2, 3], limit=2)
    soonest = await ctx.first(ctx.task(plus, 5), ctx.wait_for_event("never", key="never"))
    await ctx.sleep(0.1)
    same = ctx.now() <= ctx.now() and 0 <= ctx.random() < 1 and len(ctx.uuid4()) == 36
    called = await ctx.call(called_by_others, {"word": said})
    return {
        "point": point.x, "branches": [first, second], "mapped": [*mapped], "soonest": soonest, "same": same,
        "called": called,
    }  # fmt: skip


@FunctionDefinition
async def called_by_others(ctx: WorkflowContext, word: str) -> str:
    await ctx.task(plus, 1, key="inner")
    return word.upper()


@FunctionDefinition
async def catching(ctx: WorkflowContext) -> str:
    try:
        await ctx.task(_refused, "x", key="refused")
    except StepFailedError as error:
        return error.message
    return "nothing"


@FunctionDefinition
async def failing(_ctx: WorkflowContext) -> None:
    raise KeyError("missing")


@FunctionDefinition
async def closing(ctx: WorkflowContext) -> int:
    return await ctx.step("closed", lambda: 3)


# -- graphs ----------------------------------------------------------------------------------------


def plan(ctx: NodeContext) -> HandlerResult:
    notes = ctx.state.node.get("review", {}).get("notes", [])
    return HandlerResult(outputs=["ok"], node_updates={"tasks": ["a", "b", *notes]})


async def work(ctx: NodeContext) -> HandlerResult:
    ctx.emit("progress", {"task": ctx.item})
    return HandlerResult(node_updates={"done": f"{ctx.item}!"})


def review(ctx: NodeContext) -> HandlerResult:
    if not ctx.is_resumed:
        return HandlerResult(waiting=True, waiting_prompt="good?")
    if ctx.resume_input["approved"]:
        return HandlerResult(outputs=["approved"], tags=["good"])
    return HandlerResult(outputs=["again"], node_updates={"notes": ["c"]})


HANDLERS = {"plan": plan, "work": work, "review": review}

_GRAPH: JsonObject = {
    "workflow_name": "reviewed",
    "default_entry_node": "plan",
    "nodes": {
        "plan": {"handler": "plan", "outputs": {"ok": [{"target_node": "work"}]}},
        "work": {
            "map": {"items": "node.plan.tasks", "handler": "work", "max_parallel": 2},
            "outputs": {"ok": [{"target_node": "review"}]},
        },
        "review": {
            "handler": "review",
            "outputs": {"approved": [], "again": [{"target_node": "plan", "is_loopback": True}]},
        },
    },
}


def specimens() -> list[Specimen]:
    """Return the corpus."""
    return [*_documents(), *_functions(), *_graphs()]


def _documents() -> list[Specimen]:
    both: JsonObject = {"x": {"one": "a", "two": "ab"}, "y": {"ask": 7}}
    return [
        Specimen(
            name="document: shapes",
            definition=document(_SHAPES),
            input={"n": 2},
            answers={'both["y"]/ask': 7},
            result={"many": {"iterations": [{"s": 0}, {"s": 2}, {"s": 6}]}, "both": both},
            keys=(
                'both', 'both["x"]/one', 'both["x"]/two', 'both["y"]/ask', "last", "many", "many[0]/s", "many[1]/s",
                "many[2]/s", "start", "way",
            ),
        ),
        Specimen(
            name="document: tries",
            definition=document(_TRIES),
            result="mended\n",
            keys=("fails", "flaky", "last", "mend", "slow"),
        ),
        Specimen(name="document: times", definition=document(_TIMES), result="late", keys=("ask", "late", "nap")),
        Specimen(
            name="document: fails",
            definition=document("- {id: a, kind: cli, command: 'exit 3'}"),
            status="failed",
            error="ERR_STEP_FAILED",
            keys=("a",),
        ),
    ]  # fmt: skip


def _functions() -> list[Specimen]:
    needs: frozenset[Capability] = frozenset({"function"})
    shape: JsonObject = {
        "point": 6, "branches": [12, 13], "mapped": [2, 3, 4], "soonest": 6, "same": True, "called": "HI",
    }  # fmt: skip
    return [
        Specimen(
            name="function: shapes",
            definition=shaped,
            input={"number": 3},
            answers={"parallel[2]/go": "hi"},
            result=shape,
            keys=(
                "%now",
                "%now#2",
                "%random",
                "%uuid4",
                "called_by_others",
                "called_by_others/inner",
                "doubled",
                "first",
                "never",
                "parallel",
                "parallel[0]/plus",
                "parallel[0]/plus#2",
                "parallel[1]/plus",
                "parallel[1]/plus#2",
                "parallel[2]/go",
                "plus",
                "plus#2",
                "plus[0]/plus",
                "plus[1]/plus",
                "plus[2]/plus",
                "sleep",
                "state",
            ),
            needs=needs,
        ),
        Specimen(name="function: catches", definition=catching, result="ValueError: x", keys=("refused",), needs=needs),
        Specimen(name="function: fails", definition=failing, status="failed", error="ERR_WORKFLOW_CODE", needs=needs),
        Specimen(
            name="function: closure",
            definition=closing,
            result=3,
            keys=("closed",),
            needs=frozenset({"function", "closure"}),
        ),
    ]


def _graphs() -> list[Specimen]:
    graph = GraphDefinition.of(_GRAPH, module=__name__, code_path=__file__)
    return [
        Specimen(
            name="graph: reviewed",
            definition=graph,
            answers={"review.answer": {"approved": False}, "review.answer#2": {"approved": True}},
            result={
                "workflow": {},
                "node": {
                    "plan": {"tasks": ["a", "b", "c"]},
                    "work": {"results": [{"done": "a!"}, {"done": "b!"}, {"done": "c!"}]},
                    "review": {"notes": ["c"]},
                },
                "trace": ["plan", "work", "review", "plan", "work", "review"],
                "tags": ["good"],
            },
            keys=(
                "(visits)",
                "plan",
                "plan#2",
                "review",
                "review#2",
                "review#3",
                "review#4",
                "review.answer",
                "review.answer#2",
                "work",
                "work#2",
                "work#2[0]/work",
                "work#2[1]/work",
                "work#2[2]/work",
                "work[0]/work",
                "work[1]/work",
            ),
            needs=frozenset({"graph"}),
        )
    ]
