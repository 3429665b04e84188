"""The whole tree of errors: each class carries its envelope code and its exit code.

A message is one sentence: the fact first, then the remedy, identifiers in backticks.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar

from checkpointflow.values import JsonObject, JsonValue


class CheckpointflowError(Exception):
    """The root: something checkpointflow refused or could not do.

    `code` is the `ERR_*` text of the envelope, `exit_code` the process's; `details` is JSON for
    machines, `hint` a further sentence for people; `run_id` and `step_key` say what it concerns, where known,
    and `further_keys` the steps that failed beside that one.
    """

    code: ClassVar[str] = "ERR_INTERNAL"
    exit_code: ClassVar[int] = 90
    retryable: ClassVar[bool] = False

    def __init__(
        self,
        message: str,
        *,
        details: Mapping[str, JsonValue] | None = None,
        hint: str | None = None,
        run_id: str | None = None,
        step_key: str | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.details: JsonObject = dict(details or {})
        self.hint = hint
        self.run_id = run_id
        self.step_key = step_key
        self.further_keys: tuple[str, ...] = ()


# -- 10: the request itself is wrong ---------------------------------------------------------------


class ValidationError(CheckpointflowError):
    """What was asked for cannot be accepted as it stands."""

    code = "ERR_VALIDATION"
    exit_code = 10


class UsageError(ValidationError):
    """The words of a command or call do not fit together."""

    code = "ERR_USAGE"


class DocumentError(ValidationError):
    """A workflow document has problems; `problems` lists all of them with their places."""

    code = "ERR_VALIDATION_WORKFLOW"

    def __init__(
        self,
        message: str,
        *,
        problems: Sequence[JsonObject] = (),
        details: Mapping[str, JsonValue] | None = None,
        hint: str | None = None,
    ) -> None:
        super().__init__(message, details=details, hint=hint)
        self.problems = list(problems)


class YamlError(DocumentError):
    """A document is not YAML that we read."""

    code = "ERR_YAML_PARSE"


class DuplicateStepError(DocumentError):
    """Two steps of one list, or of lists that see each other, share an id."""

    code = "ERR_DUPLICATE_STEP_ID"


class FileMissingError(ValidationError):
    """A file that was named does not exist or cannot be read."""

    code = "ERR_FILE_NOT_FOUND"


class FileExistsAlreadyError(ValidationError):
    """A file that would be written exists already."""

    code = "ERR_FILE_EXISTS"


class InputError(ValidationError):
    """The input does not fit the workflow's schema."""

    code = "ERR_VALIDATION_INPUT"


class EventPayloadError(ValidationError):
    """An event's payload does not fit the schema of the wait that it answers."""

    code = "ERR_VALIDATION_EVENT_INPUT"


class SecretMissingError(ValidationError):
    """A run needs a secret that is not to be had here; nothing was started."""

    code = "ERR_SECRET_MISSING"


class ExpressionError(ValidationError):
    """An expression does not parse, or cannot be evaluated; `offset` is where, in characters from its start."""

    code = "ERR_EXPRESSION"

    def __init__(self, message: str, *, offset: int = 0, hint: str | None = None) -> None:
        super().__init__(message, details={"offset": offset}, hint=hint)
        self.offset = offset


class RunNotFoundError(ValidationError):
    """No run, or more than one, has the id that was given."""

    code = "ERR_RUN_NOT_FOUND"


# -- 20: the run does not allow it -----------------------------------------------------------------


class RunError(CheckpointflowError):
    """The run's state or code does not allow what was asked."""

    code = "ERR_RUNTIME"
    exit_code = 20


class RunNotWaitingError(RunError):
    """The run has no open wait that the event could answer; somebody may have answered already."""

    code = "ERR_RUN_NOT_WAITING"


class EventMismatchError(RunError):
    """The run waits, but for another event."""

    code = "ERR_RESUME_EVENT_MISMATCH"


class RunSettledError(RunError):
    """The run has settled, so nothing more can be done with it."""

    code = "ERR_RUN_SETTLED"


class RunPausedError(RunError):
    """The run was paused; it goes on when somebody resumes it."""

    code = "ERR_RUN_PAUSED"


class RunNotFailedError(RunError):
    """Only a failed run can be retried."""

    code = "ERR_RUN_NOT_FAILED"


class RunNotSettledError(RunError):
    """Only a settled run can be deleted."""

    code = "ERR_RUN_NOT_SETTLED"


class StepNotInDoubtError(RunError):
    """The step needs no decision."""

    code = "ERR_STEP_NOT_IN_DOUBT"


class DefinitionChangedError(RunError):
    """The run was started with another definition."""

    code = "ERR_DEFINITION_CHANGED"


class NondeterminismError(RunError):
    """The workflow asks for something else than what its journal recorded under the same key."""

    code = "ERR_NONDETERMINISM"


class RunInterruptedError(RunError):
    """The run is neither parked nor settled, and nobody drives it."""

    code = "ERR_RUN_INTERRUPTED"


class SecretUnavailableError(RunError):
    """A step needs a secret that is not to be had here; the run goes on where it is."""

    code = "ERR_SECRET_UNAVAILABLE"


class WorkflowCodeError(RunError):
    """The workflow's own code did something that a workflow cannot do."""

    code = "ERR_WORKFLOW_CODE"


class VisitLimitError(RunError):
    """A step was visited more often than `limits.max_visits` allows: a loop without end."""

    code = "ERR_VISIT_LIMIT"


# -- 30: a step failed -----------------------------------------------------------------------------


class StepFailedError(CheckpointflowError):
    """A step failed for good; catchable by workflow code."""

    code = "ERR_STEP_FAILED"
    exit_code = 30


class StepTimeoutError(StepFailedError):
    """A step or wait ran out of its time."""

    code = "ERR_TIMEOUT"
    retryable = True


class StepOutputError(StepFailedError):
    """What a step returned does not fit its `outputs` schema."""

    code = "ERR_STEP_OUTPUT_INVALID"


class StepInDoubtError(StepFailedError):
    """Nobody knows whether a step that must run once took effect; somebody has to decide."""

    code = "ERR_STEP_IN_DOUBT"


class CasesFailedError(CheckpointflowError):
    """Cases of a workflow's test did not come out as expected, or reached less of it than was asked for."""

    code = "ERR_CASES_FAILED"
    exit_code = 30


# -- 60: the store ---------------------------------------------------------------------------------


class PersistenceError(CheckpointflowError):
    """The store could not do its work."""

    code = "ERR_PERSISTENCE"
    exit_code = 60


class StoreUnavailable(PersistenceError):  # noqa: N818 - the name says what is wrong
    """The store cannot be opened or written: permissions, a full disk, a missing folder."""

    code = "ERR_STORE_UNAVAILABLE"
    retryable = True


class StoreCorrupt(PersistenceError):  # noqa: N818
    """The store's file is damaged or no store of ours."""

    code = "ERR_STORE_CORRUPT"


class StoreVersion(PersistenceError):  # noqa: N818
    """The store was written by a newer checkpointflow."""

    code = "ERR_STORE_VERSION"


# -- 70: somebody else is at it --------------------------------------------------------------------


class ConcurrencyError(CheckpointflowError):
    """Somebody else holds what was asked for."""

    code = "ERR_CONCURRENCY"
    exit_code = 70
    retryable = True


class RunHeldError(ConcurrencyError):
    """The run is driven by another live process; the message says which."""

    code = "ERR_RUN_HELD"


class JournalConflictError(ConcurrencyError):
    """The journal was written by somebody else since it was read, so this drive was abandoned."""

    code = "ERR_JOURNAL_CONFLICT"


class RunExistsError(ConcurrencyError):
    """A run with this id exists already, with another input or definition."""

    code = "ERR_RUN_EXISTS"
    retryable = False


# -- 80: not here ----------------------------------------------------------------------------------


class UnsupportedError(CheckpointflowError):
    """Known, but impossible here."""

    code = "ERR_UNSUPPORTED"
    exit_code = 80


class UnknownKindError(UnsupportedError):
    """A step kind that this version does not have."""

    code = "ERR_UNSUPPORTED_STEP"


class MissingExtraError(UnsupportedError):
    """An optional dependency is not installed; the message says the install line."""

    code = "ERR_MISSING_EXTRA"


class EngineLimitError(UnsupportedError):
    """The engine's own limit was reached."""

    code = "ERR_ENGINE_LIMIT"


# -- 130: Ctrl-C ---------------------------------------------------------------------------------


class CommandInterruptedError(CheckpointflowError):
    """Ctrl-C ended a command that was not driving a run any more, or not yet."""

    code = "ERR_INTERRUPTED"
    exit_code = 130
    retryable = True


# -- 90: a defect of ours --------------------------------------------------------------------------


class InternalError(CheckpointflowError):
    """A defect; made only by a door, from an exception that nothing else named."""


def exit_code_of(code: str) -> int:
    """Return the exit code that belongs to an error code, 20 for one that no class of ours carries."""
    for cls in _classes(CheckpointflowError):
        if cls.code == code:
            return cls.exit_code
    return RunError.exit_code


def is_of_the_run(error: BaseException) -> bool:
    """Tell whether an error is the run's own, to be journaled, or one of the place that drives it.

    Errors of the store, of contention, of what is missing here, and a workflow that asks for other
    steps than it recorded leave the run as it is, so that it can go on elsewhere or later.
    """
    if isinstance(error, NondeterminismError | DefinitionChangedError | RunInterruptedError | SecretUnavailableError):
        return False
    return isinstance(error, ValidationError | RunError | StepFailedError)


def _classes(root: type[CheckpointflowError]) -> list[type[CheckpointflowError]]:
    found = [root]
    for cls in root.__subclasses__():
        found.extend(_classes(cls))
    return found
