"""Looking at runs, waits and outputs; nothing here executes or changes anything."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from datetime import datetime
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, TypeVar, cast

from checkpointflow import clock as clocks
from checkpointflow.client.place import FOLLOW_SECONDS, Place, place_of
from checkpointflow.clock import Clock
from checkpointflow.config import Settings
from checkpointflow.errors import CheckpointflowError, RunNotFoundError, StoreCorrupt, UsageError
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId, StepKey
from checkpointflow.kernel.store import DriverInfo, OpenWait, RunHead, StoredStatus
from checkpointflow.records import dataclass, replace
from checkpointflow.values import JsonObject
from checkpointflow.views import (
    STATUSES,
    Inspection,
    PathsOf,
    RunView,
    StepView,
    WaitView,
    backoff_warning,
    failure_warnings,
    inspection,
    message_warnings,
    run_view,
    wait_view,
)

if TYPE_CHECKING:
    from checkpointflow.frontends.definition import Definition, StepTraits

R = TypeVar("R", bound="Reader")
_SHORTEST_FRAGMENT = 4


class Reader:
    """The runs in the store of one state folder, as they stand; a context manager.

    With a `place` it works there, beside whoever else does, and closing it closes that place for all. Every method may
    raise PersistenceError.
    """

    def __init__(self, settings: Settings, *, clock: Clock | None = None, place: Place | None = None) -> None:
        self._place = place or place_of(settings, clock=clock)
        self._store = self._place.store
        self._clock = self._place.clock

    def __enter__(self: R) -> R:
        """Return the reader itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self.close()

    def close(self) -> None:
        """Give back the store; runs that this process still holds become free."""
        self._store.close()

    @property
    def notices(self) -> list[str]:
        """What opening the store did that people should know."""
        return list(getattr(self._store, "notices", []))

    def resolve(self, fragment: str) -> str:
        """Return the run id that a text is, begins or ends.

        Raises:
            UsageError: the text has fewer than 4 characters.
            RunNotFoundError: no run, or several, fit; the message names them.
        """
        if len(fragment) < _SHORTEST_FRAGMENT:
            raise UsageError(f"the run id {fragment!r} is too short; give 4 characters or more of it")
        found = self._store.find(fragment)
        if len(found) == 1:
            return found[0]
        if not found:
            raise RunNotFoundError(f"no run has the id `{fragment[:80]}`; `cpf runs` lists them")
        shown = ", ".join(f"`{run_id}`" for run_id in found[:5]) + (" …" if len(found) > 5 else "")
        raise RunNotFoundError(
            f"several runs fit `{fragment}`: {shown}; give more of the id, best of its end",
            details={"run_ids": [*found]},
        )

    def get(self, run_id: str) -> RunView:
        """Return a run as it stands; executes nothing.

        Raises:
            RunNotFoundError: no such run.
        """
        return self._view(RunId(run_id))

    def has(self, run_id: str) -> bool:
        """Tell whether there is a run with this id."""
        try:
            self._store.head(RunId(run_id))
        except RunNotFoundError:
            return False
        return True

    def inspect(self, run_id: str) -> Inspection:
        """Return everything about a run, in the order in which it happened."""
        view = self._view(RunId(run_id))
        return inspection(view, self._store.entries(RunId(run_id)), _Files(self._place.runs_dir, RunId(run_id)))

    def definition(self, run_id: str) -> Definition:
        """Return the definition that a run goes by.

        Raises:
            UnsupportedError: it cannot be opened here.
        """
        return self._place.definition(self._store.head(RunId(run_id)))

    def kept_definition(self, digest: str) -> JsonObject | None:
        """Return a definition that is stored under this hash; None if there is none."""
        try:
            return self._store.definition(digest)
        except StoreCorrupt:
            return None

    def runs(
        self,
        *,
        status: str | None = None,
        workflow: str | None = None,
        labels: Mapping[str, str] | None = None,
        limit: int = 20,
        after: str | None = None,
    ) -> tuple[list[RunView], str | None]:
        """Return runs, newest first, and the cursor for those behind them, if there may be any.

        Raises:
            UsageError: there is no such status, or the cursor is none of ours.
        """
        if status is not None and status not in STATUSES:
            raise UsageError(f"there is no status {status!r}; take one of {', '.join(STATUSES)}")
        before = None if after is None else _cursor(after)
        found: list[RunView] = []
        while len(found) < limit:
            heads = self._store.heads(
                statuses=_stored(status), workflow_id=workflow, labels=labels, limit=limit, before=before
            )
            for head in heads:
                before = (head.started_at, head.run_id)
                view = self._short_view(head)
                if status in (None, view.status):
                    found.append(view)
                if len(found) == limit:
                    break
            if len(heads) < limit:
                break
        more = len(found) == limit and before is not None
        return found, _cursor_text(*before) if more and before is not None else None

    def waits(self, *, audience: str | None = None) -> list[WaitView]:
        """Return what people, agents and systems are asked for, in all runs, oldest first; answered waits left out."""
        now = self._clock.now()
        asked = [
            wait
            for wait in self._store.waits()
            if wait.kind != "timer" and not wait.answered and audience in (None, wait.audience)
        ]
        heads = self._waiting(len(asked))
        found = []
        for wait in asked:
            if wait.run_id not in heads:
                heads[wait.run_id] = self._store.head(wait.run_id)
            head = heads[wait.run_id]
            found.append(wait_view(wait, head, now, self._doubts(head, [wait]).get(wait.key)))
        return found

    def _waiting(self, count: int) -> dict[RunId, RunHead]:
        """Return the newest runs that wait, so that most of them need not be looked up one by one."""
        return {head.run_id: head for head in self._store.heads(statuses=["waiting"], limit=count)} if count > 1 else {}

    def due(self) -> list[WaitView]:
        """Return the waits whose time has come in runs that nobody drives, oldest first; it fires with the next drive.

        Those are timers, and deadlines that have passed without an answer.
        """
        now = self._clock.now()
        waits = [one for one in self._store.waits() if one.due_at is not None and one.due_at <= now]
        stands = {run_id: self._place.stand(run_id) for run_id in dict.fromkeys(one.run_id for one in waits)}
        idle = {run_id: head for run_id, (head, holder) in stands.items() if holder is None or not holder.alive}
        return [wait_view(one, idle[one.run_id], now) for one in waits if one.run_id in idle and not one.answered]

    def timed(self) -> set[str]:
        """Return the runs that a time brings on: they sleep, or a question of theirs has a deadline."""
        return {wait.run_id for wait in self._store.waits() if wait.due_at is not None}

    def drivers(self) -> list[DriverInfo]:
        """Return who drives whatever is due: the workers that live, and the last tick of each pool."""
        return self._store.drivers()

    def watch(self, run_id: str) -> Iterator[RunView]:
        """Yield a run as it stands, a few times a second while somebody drives it, and once after that."""
        while (view := self.get(run_id)).status == "running":
            yield view
            self._place.pause.wait(FOLLOW_SECONDS)
        yield view

    def logs(
        self, run_id: str, step: str | None = None, *, stderr: bool = False, attempt: int | None = None
    ) -> list[tuple[StepView, Path]]:
        """Return the files with the captured output of steps, in the order in which they ran, each with its attempt.

        Of a step that is named all attempts are returned, of the others the last; with `attempt` that one alone.

        Raises:
            UsageError: the run has no such step with captured output; the message names those that have.
        """
        from checkpointflow.client.outputs import bring

        views = self.inspect(run_id).step_results
        files = _Files(self._place.runs_dir, RunId(run_id))
        asked = []
        for view in [view for view in views if step in (None, view.step_id, view.step_key)]:
            attempts = range(1 if step is not None else view.attempt, view.attempt + 1)
            for number in attempts if attempt is None else [attempt]:
                path = files.of(StepKey(view.step_key), number)[1 if stderr else 0]
                asked.append((replace(view, attempt=number), path, number <= view.attempt))
        bring(self._place, RunId(run_id), [path for _, path, is_real in asked if is_real])
        found = [(view, path) for view, path, is_real in asked if is_real and path.exists()]
        if (step is not None or attempt is not None) and not found:
            raise _no_output(run_id, step, attempt, [view for view in views if view.stdout_path or view.stderr_path])
        return found

    def kept_outputs(self, run_id: str) -> set[str]:
        """Return the keys of the steps whose output a store keeps that several machines share; `logs` brings it."""
        from checkpointflow.client.outputs import keeper_of

        keeper = keeper_of(self._place)
        if keeper is None:
            return set()
        kept, files = set(keeper.names(RunId(run_id))), _Files(self._place.runs_dir, RunId(run_id))
        views = self.inspect(run_id).step_results
        return {view.step_key for view in views if files.names(StepKey(view.step_key), view.attempt) & kept}

    def _view(self, run_id: RunId, *, warnings: Iterable[str] = ()) -> RunView:
        head, holder = self._place.stand(run_id)
        tells = head.status in ("completed", "waiting")
        last = self._store.entries(run_id, after=head.length - 1)[:1] if tells else []
        value = last[0].value if last and isinstance(last[0], e.RunCompleted) else None
        put_off = [] if head.is_settled else self._store.backoffs(run_id)
        noted = [*warnings, *failure_warnings(last[0] if last else None)]
        noted += message_warnings(self._store.messages(run_id), settled=head.is_settled)
        noted += map(backoff_warning, put_off)
        waits = [] if head.is_settled else self._store.waits(run_id)
        doubts = self._doubts(head, waits)
        return run_view(head, holder, waits=waits, value=value, warnings=noted, doubts=doubts, now=self._clock.now())

    def _doubts(self, head: RunHead, waits: Iterable[OpenWait]) -> dict[StepKey, StepTraits]:
        """Return what the document says of steps in doubt; nothing of those that it cannot be asked about here."""
        keys = [wait.key for wait in waits if wait.kind == "in_doubt"]
        if not keys:
            return {}
        try:
            definition = self._place.definition(head)
        except CheckpointflowError:
            return {}
        steps = {key: definition.step(key) for key in keys}
        return {key: step for key, step in steps.items() if step is not None}

    def _short_view(self, head: RunHead) -> RunView:
        holder = None if head.is_settled else self._store.holder_of(head.run_id)
        waits = self._store.waits(head.run_id) if head.status == "waiting" else []
        return run_view(head, holder, waits=waits, now=self._clock.now())


@dataclass(frozen=True)
class _Files(PathsOf):
    """The output files of one run."""

    runs_dir: Path
    run_id: RunId

    def of(self, key: StepKey, attempt: int) -> tuple[Path, Path]:
        """Return the files of an attempt."""
        from checkpointflow.steps.base import output_paths

        return output_paths(self.runs_dir, self.run_id, key, attempt)

    def names(self, key: StepKey, attempt: int) -> set[str]:
        """Return the names under which they are kept elsewhere."""
        return {f"{path.parent.name}/{path.name}" for path in self.of(key, attempt)}


def _no_output(run_id: str, step: str | None, attempt: int | None, having: Iterable[StepView]) -> UsageError:
    keys = [f"`{view.step_key}` ({view.attempt})" for view in having]
    what = f" of a step `{step[:80]}`" if step is not None else ""
    which = "" if attempt is None else f" (attempt {attempt})"
    shown = ", ".join(keys[:12]) + (" …" if len(keys) > 12 else "")
    rest = f"; these have some, with so many attempts: {shown}" if keys else "; no step of it has any"
    return UsageError(f"run `{run_id}` has no captured output{what}{which}{rest}", run_id=run_id)


def _stored(status: str | None) -> list[StoredStatus] | None:
    """Return which stored statuses runs of a status may have."""
    if status is None:
        return None
    if status == "running":
        return ["open", "waiting", "paused"]
    return ["open"] if status == "interrupted" else [cast(StoredStatus, status)]


def _cursor_text(started_at: datetime, run_id: RunId) -> str:
    return f"{clocks.to_text(started_at)}~{run_id}"


def _cursor(text: str) -> tuple[datetime, RunId]:
    instant, tilde, run_id = text.partition("~")
    try:
        return clocks.from_text(instant), RunId(run_id if tilde else "")
    except ValueError:
        raise UsageError(f"`{text[:80]}` is no cursor; take the `next_cursor` of the list before") from None
