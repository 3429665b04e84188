"""Step kinds by name, and the one function that performs any of them; no kind's own code."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from importlib import import_module

from checkpointflow.errors import StepOutputError, UnknownKindError
from checkpointflow.kernel.effects import Perform, Stop
from checkpointflow.kernel.run import StepCall, StepContext, StepResult
from checkpointflow.steps.base import StepKind, StepSettings
from checkpointflow.steps.secrets import unveil
from checkpointflow.values import JsonValue

_SHOWN_PROBLEMS = 5


class _Kinds(Mapping[str, StepKind]):
    """Kinds that are imported when they are first looked up; their names are known without."""

    def __init__(self, *names: str) -> None:
        self._names = names

    def __getitem__(self, name: str) -> StepKind:
        if name not in self._names:
            raise KeyError(name)
        kind = import_module(f"{__name__}.{name}").KIND
        assert isinstance(kind, StepKind)
        return kind

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)


KINDS: Mapping[str, StepKind] = _Kinds(
    "api",
    "cli",
    "python",
)


def make_perform(settings: StepSettings, kinds: Mapping[str, StepKind] | None = None) -> Perform:
    """Return what performs one attempt of a call: its kind runs, then its output is held against `outputs`.

    Secrets are put in before that, and kept out of everything that comes back. `kinds` stand in for those there are.

    The returned function raises:
        UnknownKindError: this version has no such kind.
        StepFailedError: the attempt failed.
        StepOutputError: its output does not fit the schema in `outputs`.
        EffectStopped: it was ended by its `Stop`.
        SecretUnavailableError: it needs a secret that is not to be had here.
        PersistenceError: its output files cannot be written.
    """

    def perform(call: StepCall, context: StepContext, stop: Stop) -> StepResult:
        kind = _kind(call.kind, KINDS if kinds is None else kinds)
        unveiled = unveil(call, context, settings)
        try:
            result = unveiled.kept_out(kind.run(unveiled.call, context, stop, unveiled.settings), context)
            if call.outputs is not None:
                _check_output(result, call.outputs, context)
        except Exception as error:
            if not unveiled.settings.hidden:
                raise
            raise unveiled.masked(error) from None
        return result

    return perform


def _kind(name: str, kinds: Mapping[str, StepKind]) -> StepKind:
    try:
        return kinds[name]
    except KeyError:
        known = ", ".join(f"`{kind}`" for kind in kinds)
        raise UnknownKindError(f"the step kind `{name}` is not known here; this version has {known}") from None


def _check_output(result: StepResult, schema: JsonValue, context: StepContext) -> None:
    from checkpointflow.schemas import check, show

    if not isinstance(schema, dict | bool):
        raise TypeError(f"the `outputs` of step `{context.key}` is no JSON Schema")
    problems = check(result.output, schema)
    if not problems:
        return
    listed = "; ".join(f"`{_place(one.path)}` {one.message}" for one in problems[:_SHOWN_PROBLEMS])
    more = f"; and {len(problems) - _SHOWN_PROBLEMS} more" if len(problems) > _SHOWN_PROBLEMS else ""
    raise StepOutputError(
        f"the output of step `{context.key}` does not fit its `outputs` schema: {listed}{more}; "
        f"it was {show(result.output)}",
        details={
            **result.details,
            "problems": [{"path": _place(one.path), "message": one.message} for one in problems],
        },
        step_key=context.key,
    )


def _place(path: tuple[str | int, ...]) -> str:
    return "outputs" + "".join(f"[{part}]" if isinstance(part, int) else f".{part}" for part in path)
