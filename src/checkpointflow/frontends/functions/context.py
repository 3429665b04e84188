"""The context of a function workflow: the verbs through which it does durable things, over the port Run."""

from __future__ import annotations

import inspect
from collections.abc import Awaitable, Callable, Coroutine, Iterable, Mapping, Sequence
from datetime import datetime, timedelta
from typing import Any, Literal, TypeVar, overload

from checkpointflow.errors import StepTimeoutError, WorkflowCodeError
from checkpointflow.frontends.definition import Definition
from checkpointflow.frontends.functions import accepting, beside, calls, questions
from checkpointflow.frontends.functions.asking import Asked, Together, entered, here
from checkpointflow.frontends.functions.conversion import ANY, from_json, to_json
from checkpointflow.frontends.functions.state import state_of_run
from checkpointflow.frontends.functions.tasks import name_of, returns_of
from checkpointflow.frontends.inputs import checked_input
from checkpointflow.kernel.run import Answer, LocalEffect, Loop, WaitRequest
from checkpointflow.values import JsonObject, JsonValue

T = TypeVar("T")
A = TypeVar("A")
B = TypeVar("B")
C = TypeVar("C")
D = TypeVar("D")

_MISSING: Any = object()


class WorkflowContext:
    """The verbs of a function workflow.

    Each verb is journaled under a key, which is a name and its visit (`fetch`, `fetch#2`), below those of the scopes
    around it (`parallel[1]/fetch`). A verb that was journaled before gives what it gave then, and nothing is done
    again. Nothing but these verbs may be awaited.
    """

    def __init__(self, loop: Callable[[], Loop]) -> None:
        self._loop = loop
        self.state = state_of_run()
        """Values by key, one collection per run, that `cpf inspect` shows: `get`, `set`, `delete`, `clear`."""

    # -- doing -----------------------------------------------------------------------------------

    @overload
    def task(
        self, function: Callable[..., Coroutine[Any, Any, T]], *args: Any, key: str | None = None, **named: Any
    ) -> Asked[T]: ...
    @overload
    def task(self, function: Callable[..., T], *args: Any, key: str | None = None, **named: Any) -> Asked[T]: ...
    def task(self, function: Callable[..., Any], *args: Any, key: str | None = None, **named: Any) -> Asked[Any]:
        """Perform a function once, under its own name or `key`, and return what it returned, as annotated.

        Functions run in threads, async ones on the event loop of the caller. A crash in the middle performs it again,
        unless `task(effect="once")` forbids that. Arguments and result have to be JSON or convertible, and the function
        gets copies of its arguments.

        Raises (when awaited):
            StepFailedError: it raised, as often as its retries allow, or took too long.
            WorkflowCodeError: an argument cannot be journaled.
        """
        accepting.function(function, "ctx.task")
        given = name_of(function) if key is None else accepting.name(key, "`key` of `ctx.task`")
        return self._called(given, function, args, named)

    @overload
    def step(self, name: str, work: Coroutine[Any, Any, T]) -> Asked[T]: ...
    @overload
    def step(self, name: str, work: Callable[..., Coroutine[Any, Any, T]], *args: Any, **named: Any) -> Asked[T]: ...
    @overload
    def step(self, name: str, work: Callable[..., T], *args: Any, **named: Any) -> Asked[T]: ...
    def step(self, name: str, work: Any, *args: Any, **named: Any) -> Asked[Any]:
        """Perform a function, or await a coroutine, once under a name; a coroutine that is not needed is closed.

        A coroutine is awaited as it is, so it is not tried again if it fails, and its arguments are not compared.

        Raises (when awaited):
            StepFailedError, WorkflowCodeError: as `task`.
        """
        given = accepting.name(name, "the name of `ctx.step`")
        if not inspect.iscoroutine(accepting.work(work, given)):
            return self._called(given, work, args, named)
        if args or named:
            work.close()
            raise WorkflowCodeError(
                f"`ctx.step({given!r}, …)` got a coroutine and arguments; give it the function instead"
            )
        return self._awaited(given, work)

    def _called(
        self, name: str, function: Callable[..., Any], args: tuple[Any, ...], named: Mapping[str, Any]
    ) -> Asked[Any]:
        effect = calls.effect_of_call(name, function, args, named, loop=self._loop)
        return self._asked(name, effect, returns_of(function))

    def _awaited(self, name: str, coroutine: Coroutine[Any, Any, Any]) -> Asked[Any]:
        return self._asked(name, calls.effect_of_coroutine(name, coroutine, loop=self._loop), ANY)

    def _asked(self, name: str, effect: LocalEffect, gives: object) -> Asked[Any]:
        what = f"the result of `{name}`"
        return Asked(here().perform(name, effect), lambda result: from_json(result.output, gives, what))

    # -- beside each other -----------------------------------------------------------------------

    @overload
    def parallel(self, one: Awaitable[A], /, *, limit: int | None = ..., key: str = ...) -> Together[tuple[A]]: ...
    @overload
    def parallel(
        self, one: Awaitable[A], two: Awaitable[B], /, *, limit: int | None = ..., key: str = ...
    ) -> Together[tuple[A, B]]: ...
    @overload
    def parallel(
        self, one: Awaitable[A], two: Awaitable[B], three: Awaitable[C], /, *, limit: int | None = ..., key: str = ...
    ) -> Together[tuple[A, B, C]]: ...
    @overload
    def parallel(
        self,
        one: Awaitable[A],
        two: Awaitable[B],
        three: Awaitable[C],
        four: Awaitable[D],
        /,
        *,
        limit: int | None = ...,
        key: str = ...,
    ) -> Together[tuple[A, B, C, D]]: ...
    @overload
    def parallel(self, *items: Awaitable[T], limit: int | None = ..., key: str = ...) -> Together[tuple[T, ...]]: ...
    def parallel(self, *items: Awaitable[Any], limit: int | None = None, key: str = "parallel") -> Together[Any]:
        """Have verbs and coroutines go on beside each other, at most `limit` at a time; return their values in order.

        Each coroutine works in a scope of its own (`parallel[0]/…`), with waits and further steps inside. What each
        has done is journaled by itself.

        Raises (when awaited):
            The first error, in the order of the journal, once the others were cancelled.
        """
        with beside.given(items):
            beside.refuse_others(items, "ctx.parallel")
            name, most = accepting.name(key, "`key` of `ctx.parallel`"), accepting.limit(limit)
        return Together(name, lambda: beside.all_of(items, most, name), items)

    @overload
    def map(
        self,
        function: Callable[[Any], Coroutine[Any, Any, T]],
        items: Iterable[Any],
        *,
        limit: int | None = ...,
        key: str | Callable[[Any], int | str] | None = ...,
    ) -> Together[list[T]]: ...
    @overload
    def map(
        self,
        function: Callable[[Any], T],
        items: Iterable[Any],
        *,
        limit: int | None = ...,
        key: str | Callable[[Any], int | str] | None = ...,
    ) -> Together[list[T]]: ...
    def map(
        self,
        function: Callable[[Any], Any],
        items: Iterable[Any],
        *,
        limit: int | None = None,
        key: str | Callable[[Any], int | str] | None = None,
    ) -> Together[list[Any]]:
        """Perform a function for each item, at most `limit` at a time, and return the results in the order of items.

        Results are journaled under `NAME[0]/NAME`, or under what `key` returns for the item: then items may come, go
        and change places between two drives of a run. A `key` that is text names the scope.

        Raises (when awaited):
            As `parallel`.
        """
        accepting.function(function, "ctx.map")
        listed, most = accepting.items(items, "ctx.map", key), accepting.limit(limit)
        name = accepting.name(key, "`key` of `ctx.map`") if isinstance(key, str) else name_of(function)
        keys = accepting.item_keys(key, listed, "ctx.map")

        def asked(item: Any) -> Asked[Any]:
            return self.task(function, item)

        return Together(name, lambda: beside.each_of(asked, listed, keys, most, name))

    def first(self, *items: Awaitable[T], key: str = "first") -> Together[T]:
        """Have verbs and coroutines race, and return the value of the first to finish; the others are cancelled.

        Which was first is what the journal says, on every replay.

        Raises (when awaited):
            The error of the first to finish, if it failed.
        """
        with beside.given(items):
            beside.refuse_others(items, "ctx.first")
            name = accepting.name(key, "`key` of `ctx.first`")
        return Together(name, lambda: beside.first_of(items, name), items)

    async def call(self, workflow: Definition, run_input: Any = _MISSING, *, key: str | None = None) -> Any:
        """Run another workflow (a function, a graph or a document) as a scope of this run, and return its result.

        Its state is that of the run.

        Raises:
            StepFailedError, WorkflowCodeError: it failed.
            InputError: the input does not fit it.
        """
        accepting.workflow(workflow)
        name = workflow.id if key is None else accepting.name(key, "`key` of `ctx.call`")
        given = checked_input(workflow, to_json({} if run_input is _MISSING else run_input, f"{name}(input)"))
        around = here()
        scope = around.scope(name, "workflow", meaning=[workflow.id, given])
        try:
            ended = await workflow.workflow().drive(scope.called(given))
        except Exception as error:
            scope.close(error)
            raise
        finally:
            entered(around)
        scope.close()
        return getattr(workflow, "as_result", _unchanged)(ended.get("result"))

    # -- waiting ---------------------------------------------------------------------------------

    def wait_for_event(
        self,
        name: str,
        *,
        schema: JsonValue = None,
        audience: str | None = None,
        prompt: str | None = None,
        timeout_seconds: float | None = None,
        default: Any = _MISSING,
        key: str | None = None,
    ) -> Asked[Any]:
        """Wait for an event by its name, whose payload fits a JSON Schema, and return the payload.

        The run may park, for years, and go on in another process. After `timeout_seconds` it gives `default`.

        Raises (when awaited):
            StepTimeoutError: nothing came in time, and there is no default.
        """
        questions.refuse_schema(accepting.name(name, "the event of `ctx.wait_for_event`"), schema)
        request = WaitRequest(
            event_name=name,
            audience=accepting.text(audience, "`audience` of `ctx.wait_for_event`"),
            input_schema=schema,
            prompt=accepting.text(prompt, "`prompt` of `ctx.wait_for_event`"),
            timeout_seconds=accepting.seconds(timeout_seconds, "`timeout_seconds` of `ctx.wait_for_event`"),
        )
        return self._waited(
            name if key is None else accepting.name(key, "`key` of `ctx.wait_for_event`"), request, default
        )

    def wait_for_user(
        self,
        question: str,
        *,
        input_type: Literal["approval", "choice", "multi_choice", "text"] = "text",
        name: str | None = None,
        options: Sequence[Mapping[str, Any] | str] | None = None,
        timeout_seconds: float | None = None,
        default: Any = _MISSING,
    ) -> Asked[Any]:
        """Ask a user, and return the id of the option they chose, a list of ids, or a text.

        `options` are ids, or objects with `id` and `label`; an approval without any has `approve` and `reject`.

        Raises (when awaited):
            StepTimeoutError: nobody answered in time, and there is no default.
        """
        chosen = "wait_for_user" if name is None else accepting.name(name, "`name` of `ctx.wait_for_user`")
        request = WaitRequest(
            event_name=chosen,
            audience="user",
            input_schema=questions.schema_of(input_type, accepting.options(options)),
            prompt=accepting.name(question, "the question of `ctx.wait_for_user`"),
            timeout_seconds=accepting.seconds(timeout_seconds, "`timeout_seconds` of `ctx.wait_for_user`"),
        )
        return self._waited(chosen, request, default)

    def _waited(self, name: str, request: WaitRequest, default: Any) -> Asked[Any]:
        verb = here().wait(name, request)

        def give(ended: object) -> Any:
            if isinstance(ended, Answer):
                return ended.payload
            if default is not _MISSING:
                return default
            raise StepTimeoutError(
                f"nobody answered `{verb.key}` within {request.timeout_seconds:g} seconds", step_key=verb.key
            )

        return Asked(verb, give)

    def sleep(self, duration: float | timedelta | datetime, *, key: str = "sleep") -> Asked[None]:
        """Sleep for seconds or a timedelta from the moment this is first awaited, or until an instant with a time zone.

        Long sleeps let the process go: whatever drives the run later goes on when the time has come.
        """
        name = accepting.name(key, "`key` of `ctx.sleep`")
        return Asked(here().sleep(name, accepting.until(duration)), lambda _nothing: None)

    # -- deciding once ---------------------------------------------------------------------------

    def now(self) -> datetime:
        """Return the time in UTC, the same on every replay."""
        return here().now()

    def random(self) -> float:
        """Return a random number from 0 up to 1, the same on every replay."""
        return here().random()

    def uuid4(self) -> str:
        """Return a random UUID, the same on every replay."""
        return here().uuid4()

    def emit(self, kind: str, data: object = None) -> None:
        """Tell whoever watches the run something, once: it is in the journal, and in streams, under `kind`."""
        told: JsonObject = {
            "kind": accepting.name(kind, "the kind of `ctx.emit`"),
            "data": to_json(data, f"emit({kind})"),
        }
        here().note("emit", "emitted", lambda: told)

    @property
    def run_id(self) -> str:
        """The id of the run."""
        return here().info.run_id


def _unchanged(value: Any) -> Any:
    return value
