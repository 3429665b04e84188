"""A function workflow as a Definition: its id, its input by its parameters, and where its code is found again."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Coroutine, Mapping
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from checkpointflow.errors import CheckpointflowError, UnsupportedError, WorkflowCodeError, said
from checkpointflow.frontends.definition import Meanings, StepTraits, Unwritten
from checkpointflow.frontends.functions.accepting import name_of_code
from checkpointflow.frontends.functions.asking import entered, noticing
from checkpointflow.frontends.functions.context import WorkflowContext
from checkpointflow.frontends.functions.conversion import ANY, from_json, hints_of, schemas_of, to_json
from checkpointflow.kernel.run import Run, Workflow
from checkpointflow.values import JsonObject, JsonValue, fingerprint

if TYPE_CHECKING:
    from checkpointflow.pictures.picture import Picture

KIND = "function"
VERSION = 1


class FunctionDefinition:
    """An async function whose first parameter is a WorkflowContext."""

    def __init__(
        self,
        function: Callable[..., Coroutine[Any, Any, Any]],
        *,
        name: str | None = None,
        version: str | None = None,
        labels: Mapping[str, JsonValue] | None = None,
    ) -> None:
        name_of_code(name, "`name` of `workflow`")
        name_of_code(version, "`version` of `workflow`")
        if not inspect.iscoroutinefunction(function):
            shown = getattr(function, "__name__", type(function).__name__)
            raise TypeError(f"`{shown}` is no workflow: write it as `async def {shown}(ctx, …)`")
        parameters = list(inspect.signature(function).parameters.values())
        if not parameters or "POSITIONAL_" not in parameters[0].kind.name:
            raise TypeError(f"`{function.__name__}` takes no context: its first parameter has to be `ctx`")
        if parameters[0].name in ("self", "cls"):
            raise TypeError(f"`{function.__qualname__}` is a method; write the workflow as a function of its own")
        for one in parameters[1:]:
            if one.kind in (one.VAR_POSITIONAL, one.VAR_KEYWORD, one.POSITIONAL_ONLY):
                raise TypeError(f"`{function.__name__}` takes `{one}`; the input is an object of parameters by name")
        self.function = function
        self.id = name or function.__name__
        self.name: str | None = None
        self.version = version
        self.labels: Mapping[str, JsonValue] = labels or {}
        self.problems: list[JsonObject] = []
        self._parameters = parameters[1:]

    def __call__(self, ctx: WorkflowContext, *args: Any, **named: Any) -> Coroutine[Any, Any, Any]:
        """Call the function with a context of a run that goes on, as one of its branches."""
        return self.function(ctx, *args, **named)

    @property
    def path(self) -> str | None:
        """The file in which the function stands."""
        file = inspect.getsourcefile(self.function)
        return None if file is None or not Path(file).is_file() else str(Path(file).resolve())

    @cached_property
    def inputs(self) -> JsonValue:
        """The JSON Schema of the input: an object of the parameters after the context, by name."""
        hints = self._hints
        annotations = {one.name: hints.get(one.name, ANY) for one in self._parameters}
        properties, shared = schemas_of(annotations, self.id)
        required: list[JsonValue] = []
        for one in self._parameters:
            if one.default is one.empty:
                required.append(one.name)
            elif (shown := _plain(one.default)) is not None:
                properties[one.name] = {**properties[one.name], "default": shown}
        schema: JsonObject = {"type": "object", "properties": {**properties}, "additionalProperties": False}
        return schema | ({"required": required} if required else {}) | ({"$defs": shared} if shared else {})

    @cached_property
    def stored(self) -> JsonObject:
        """Where the code is found, and which version of it a run may go on with."""
        module = self.function.__module__
        if module == "__main__" and self.path is not None:
            module = Path(self.path).stem
        return {
            "kind": KIND,
            "version": VERSION,
            "workflow": self.id,
            "pinned": self.version,
            "module": module,
            "attribute": self.function.__qualname__,
            "inputs": self.inputs,
        }

    @cached_property
    def digest(self) -> str:
        """The hash of its id, version and input, and of where it stands; how it is written does not count."""
        return fingerprint(self.stored)

    def takes_over(self, _digest: str, stored: JsonObject) -> bool:
        """Tell whether it has the id and version of a stored one; the journal compares the rest."""
        return (stored.get("kind"), stored.get("workflow"), stored.get("pinned")) == (KIND, self.id, self.version)

    def normal_input(self, run_input: JsonValue) -> JsonValue:
        """Return an input as an object: what is neither empty nor has the only parameter's name is its bare value."""
        if len(self._parameters) != 1:
            return run_input
        name = self._parameters[0].name
        is_object = isinstance(run_input, dict) and set(run_input) <= {name}
        return run_input if is_object else {name: run_input}

    def workflow(self) -> Workflow:
        """Return the code that decides a run."""
        return FunctionWorkflow(self)

    def secrets(self) -> list[tuple[str, JsonObject]]:
        """Return nothing: the code reads its secrets itself, inside its tasks."""
        return []

    def step(self, _key: str) -> StepTraits | None:
        """Return nothing: only the code knows its steps."""
        return None

    def events(self) -> None:
        """Return nothing: only the code knows what it waits for."""
        return

    def meanings(self) -> Meanings:
        """Return that only the code knows what its steps mean."""
        return Unwritten()

    def picture(self) -> Picture:
        """Refuse to draw it.

        Raises:
            UnsupportedError: only running it shows its way.
        """
        raise UnsupportedError(
            f"`{self.id}` is a function, and which way it takes is known only when it runs; "
            "pictures are drawn of documents and graphs",
            hint="`cpf inspect` shows what a run of it has done",
        )

    def sources(self) -> list[str]:
        """Return the file in which the function stands."""
        return [] if self.path is None else [self.path]

    def arguments(self, run_input: JsonValue) -> dict[str, Any]:
        """Return the arguments that an input stands for, as annotated.

        Raises:
            WorkflowCodeError: it does not fit.
        """
        given = self.normal_input(run_input)
        if not isinstance(given, dict):
            raise WorkflowCodeError(f"the input of `{self.id}` has to be an object of its parameters, by name")
        hints = self._hints
        return {
            one: from_json(value, hints.get(one, ANY), f"`{one}` of the input of `{self.id}`")
            for one, value in given.items()
        }

    def result(self, value: JsonValue) -> Any:
        """Return a run's result as the function is annotated to return it."""
        return from_json(value, self._hints.get("return", ANY), f"the result of `{self.id}`")

    @cached_property
    def _hints(self) -> dict[str, Any]:
        names = [one.name for one in self._parameters]
        return hints_of(self.function, [*names, "return"], self.id)


class FunctionWorkflow:
    """A function as a Workflow."""

    def __init__(self, definition: FunctionDefinition) -> None:
        self._definition = definition

    async def drive(self, run: Run) -> JsonObject:
        """Decide the run; see Workflow."""
        from checkpointflow.frontends.functions.loops import here

        definition = self._definition
        entered(run)
        arguments = definition.arguments(run.input)
        with noticing() as unawaited:
            try:
                value = await definition.function(WorkflowContext(here), **arguments)
            except CheckpointflowError:
                raise
            except BaseException as error:
                if not isinstance(error, Exception | SystemExit) and type(error).__name__ != "CancelledError":
                    raise
                raise _explained(error, definition) from error
        unawaited.tell()
        return {"result": to_json(value, f"{definition.id}()")}


def _explained(error: BaseException, definition: FunctionDefinition) -> WorkflowCodeError:
    """Return the error of a workflow whose own code raised, with the line where it did."""
    place = _line_of(error, definition)
    if isinstance(error, RuntimeError) and "event loop" in str(error):
        return WorkflowCodeError(
            f"{place}: the workflow awaited something that is none of its verbs; do it inside a task, "
            "have several go on at once with `ctx.parallel`, and sleep with `ctx.sleep`"
        )
    names: list[JsonValue] = [cls.__name__ for cls in type(error).__mro__ if cls is not object]
    return WorkflowCodeError(f"{place}: {said(error)}", details={"exceptions": names})


def _line_of(error: BaseException, definition: FunctionDefinition) -> str:
    """Return the file and line at which the function's own file was left, else that of the function."""
    file = definition.function.__code__.co_filename
    found, trace = definition.function.__code__.co_firstlineno, error.__traceback__
    while trace is not None:
        if trace.tb_frame.f_code.co_filename == file:
            found = trace.tb_lineno
        trace = trace.tb_next
    return f"{file}:{found}"


def _plain(value: object) -> JsonValue:
    try:
        return to_json(value, "default")
    except WorkflowCodeError:
        return None
