"""The whole tree of errors: each class carries its envelope code and its exit code.

A message is one sentence: the fact first, then the remedy, identifiers in backticks. The docstring of a class says
when it is raised and, in its second paragraph, what its reader can do; the reference page shows both.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import ClassVar, Literal

from checkpointflow.values import JsonObject, JsonValue

_LONGEST_MESSAGE = 2_000
"""Characters of a message, foreign or ours, that are kept: enough to read, too few for a result put into one."""
_LONGEST_END = 400


def shortened(message: str) -> str:
    """Return a message, of a very long one its beginning and its end, where the remedy stands."""
    if len(message) <= _LONGEST_MESSAGE:
        return message
    return f"{message[: _LONGEST_MESSAGE - _LONGEST_END]} … {message[-_LONGEST_END:]}"


class CheckpointflowError(Exception):
    """The root: something checkpointflow refused or could not do.

    `code` is the `ERR_*` text of the envelope, `exit_code` the process's; `details` is JSON for
    machines, `hint` a further sentence for people; `run_id` and `step_key` say what it concerns, where known,
    and `further_keys` the steps that failed beside that one. `cause` is `document` where what a workflow's document
    says made the failure, so that trying again would end the same way.
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
        self.message = shortened(message)
        super().__init__(self.message)
        self.details: JsonObject = dict(details or {})
        self.hint = hint
        self.run_id = run_id
        self.step_key = step_key
        self.further_keys: tuple[str, ...] = ()
        self.cause: Literal["document"] | None = None


# -- 10: the request itself is wrong ---------------------------------------------------------------


class ValidationError(CheckpointflowError):
    """What was asked for cannot be accepted as it stands.

    Read the message, mend what it names, and say the command again.
    """

    code = "ERR_VALIDATION"
    exit_code = 10


class UsageError(ValidationError):
    """The words of a command or call do not fit together.

    Look at `cpf COMMAND --help`; a mistyped word is named with the one that comes closest.
    """

    code = "ERR_USAGE"


class DocumentError(ValidationError):
    """A workflow document has problems; `problems` lists all of them with their places.

    Mend what `problems` names, each with line, column and hint, then try `cpf validate` again.
    """

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
    """A document is not YAML that we read.

    Mend the text at the line and column that `problems` names; a text with `: ` or ` #` in it needs quotes.
    """

    code = "ERR_YAML_PARSE"


class GraphError(DocumentError, ValueError):
    """A graph's definition has problems; `problems` lists them with their JSON paths.

    Mend what `problems` names; `cpf schema graph` prints what a definition may say.
    """

    code = "ERR_VALIDATION_GRAPH"

    def __str__(self) -> str:
        """Return the message; of several problems a line for each, at most twenty."""
        if len(self.problems) < 2:
            return super().__str__()
        lines = [f"  {one['path']}: {one['message']}" for one in self.problems[:20]]
        rest = len(self.problems) - len(lines)
        more = [f"  … and {rest} more, in `problems`"] if rest else []
        return "\n".join([f"the graph cannot be used; it has {len(self.problems)} problems:", *lines, *more])


class DuplicateStepError(DocumentError):
    """Two steps of one list, or of lists that see each other, share an id.

    Rename one of the two.
    """

    code = "ERR_DUPLICATE_STEP_ID"


class FileMissingError(ValidationError):
    """A file that was named does not exist or cannot be read.

    Check the path, which counts from the folder where the command is said; `cpf init` writes a first
    document.
    """

    code = "ERR_FILE_NOT_FOUND"


class FileExistsAlreadyError(ValidationError):
    """A file that would be written exists already.

    Choose another name, or say `--force`.
    """

    code = "ERR_FILE_EXISTS"


class InputError(ValidationError):
    """The input does not fit the workflow's schema.

    Give input that fits; `cpf plan` with the same words tells whether it does and runs nothing.
    """

    code = "ERR_VALIDATION_INPUT"


class EventPayloadError(ValidationError):
    """An event's payload does not fit the schema of the wait that it answers.

    Write an answer that fits `wait.input_schema`; the run goes on waiting, as if nothing had been sent.
    """

    code = "ERR_VALIDATION_EVENT_INPUT"


class SecretMissingError(ValidationError):
    """A run needs a secret that is not to be had here; nothing was started.

    Set the variable or write the file that the message names, then say the command again.
    """

    code = "ERR_SECRET_MISSING"


class BundleError(ValidationError):
    """A run bundle cannot be taken: it was changed, cut, is none, or is of a newer version; nothing was written.

    Get it again from where it was written; `cpf verify FILE` says what a bundle is.
    """

    code = "ERR_BUNDLE"


class ExpressionError(ValidationError):
    """An expression does not parse, or cannot be evaluated; `offset` is where, in characters from its start.

    Mend the expression at its offset; where a path may be missing, write `default(path, …)`.
    """

    code = "ERR_EXPRESSION"

    def __init__(self, message: str, *, offset: int = 0, hint: str | None = None) -> None:
        super().__init__(message, details={"offset": offset}, hint=hint)
        self.offset = offset


class RunNotFoundError(ValidationError):
    """No run, or more than one, has the id that was given.

    Take an id from `cpf runs`; where several runs fit, give more of its characters.
    """

    code = "ERR_RUN_NOT_FOUND"


# -- 20: the run does not allow it -----------------------------------------------------------------


class RunError(CheckpointflowError):
    """The run's state or code does not allow what was asked.

    Read the message, and take one of `next_actions`.
    """

    code = "ERR_RUNTIME"
    exit_code = 20


class RunNotWaitingError(RunError):
    """The run has no open wait that the event could answer; somebody may have answered already.

    Look at the run with `cpf status`; to deliver before a wait opens, use `cpf send`.
    """

    code = "ERR_RUN_NOT_WAITING"


class EventMismatchError(RunError):
    """The run waits, but for another event.

    Use the event name under `wait`, or choose one of several open waits with `--wait`.
    """

    code = "ERR_RESUME_EVENT_MISMATCH"


class RunSettledError(RunError):
    """The run has settled, so nothing more can be done with it.

    Start a new run; a failed one can go on with `cpf retry`.
    """

    code = "ERR_RUN_SETTLED"


class RunPausedError(RunError):
    """The run was paused; it goes on when somebody resumes it.

    Say `cpf resume --run-id RUN`.
    """

    code = "ERR_RUN_PAUSED"


class RunNotFailedError(RunError):
    """Only a failed run can be retried.

    Look at the run with `cpf status`; to do its work again, start a new run.
    """

    code = "ERR_RUN_NOT_FAILED"


class RunNotSettledError(RunError):
    """Only a settled run can be deleted.

    Wait for its end, or end it with `cpf cancel`.
    """

    code = "ERR_RUN_NOT_SETTLED"


class StepOnceError(RunError):
    """A step with `effect: once` would run again, and nobody said that it may.

    Find out whether it took effect, and say that it may run again if that does no harm.
    """

    code = "ERR_STEP_ONCE"


class StepNotInDoubtError(RunError):
    """The step needs no decision.

    Look at the open waits in `cpf status`; somebody may have decided already.
    """

    code = "ERR_STEP_NOT_IN_DOUBT"


class DefinitionChangedError(RunError):
    """The run was started with another definition.

    Start a new run of the new definition, or go on with the old one.
    """

    code = "ERR_DEFINITION_CHANGED"


class NondeterminismError(RunError):
    """The workflow asks for something else than what its journal recorded under the same key.

    Go on with the version of checkpointflow that wrote the journal; the run is left as it is.
    """

    code = "ERR_NONDETERMINISM"


class RunInterruptedError(RunError):
    """The run is neither parked nor settled, and nobody drives it.

    Say `cpf resume --run-id RUN`; what is finished is not performed again.
    """

    code = "ERR_RUN_INTERRUPTED"


class SecretUnavailableError(RunError):
    """A step needs a secret that is not to be had here; the run goes on where it is.

    Provide the secret here, or say `cpf resume` where it is to be had.
    """

    code = "ERR_SECRET_UNAVAILABLE"


class WorkflowCodeError(RunError):
    """The workflow's own code did something that a workflow cannot do.

    Mend the workflow, and start a new run.
    """

    code = "ERR_WORKFLOW_CODE"


class VisitLimitError(RunError):
    """A step was visited more often than `limits.max_visits` allows: a loop without end.

    Give the loop an end, or raise `limits.max_visits`.
    """

    code = "ERR_VISIT_LIMIT"


# -- 30: a step failed -----------------------------------------------------------------------------


class StepFailedError(CheckpointflowError):
    """A step failed for good; catchable by workflow code.

    Look at `cpf logs --run-id RUN STEP --stderr`, mend the cause outside, and say `cpf retry --run-id RUN`;
    `retry` and `on_error` of the step handle what is expected.
    """

    code = "ERR_STEP_FAILED"
    exit_code = 30


class StepTimeoutError(StepFailedError):
    """A step or wait ran out of its time.

    Raise `timeout_seconds`, or give the step a `retry`, the wait an `on_timeout`; then say `cpf retry`.
    """

    code = "ERR_TIMEOUT"
    retryable = True


class StepOutputError(StepFailedError):
    """What a step returned does not fit its `outputs` schema.

    Make the step print what its schema asks for, or mend the schema; the message shows what came.
    """

    code = "ERR_STEP_OUTPUT_INVALID"


class StepInDoubtError(StepFailedError):
    """Nobody knows whether a step that must run once took effect; somebody has to decide.

    Find out whether it took effect, then say `cpf decide --run-id RUN STEP` with `done`, `again` or `fail`.
    """

    code = "ERR_STEP_IN_DOUBT"


class CasesFailedError(CheckpointflowError):
    """Cases of a workflow did not come out as expected, or reached less of it than was asked for.

    Read `cases` or `coverage.missed` in the envelope, then mend the document or the case.
    """

    code = "ERR_CASES_FAILED"
    exit_code = 30


# -- 60: the store ---------------------------------------------------------------------------------


class PersistenceError(CheckpointflowError):
    """The store could not do its work.

    Look at `cpf doctor`.
    """

    code = "ERR_PERSISTENCE"
    exit_code = 60


class StoreUnavailable(PersistenceError):  # noqa: N818 - the name says what is wrong
    """The store cannot be opened or written: permissions, a full disk, a missing folder.

    Look at `cpf doctor`, mend the cause, and say the command again; what was committed stands.
    """

    code = "ERR_STORE_UNAVAILABLE"
    retryable = True


class StoreCorrupt(PersistenceError):  # noqa: N818
    """The store's file is damaged or no store of ours.

    Restore the state folder from a copy, or set `CPF_HOME` to another folder.
    """

    code = "ERR_STORE_CORRUPT"


class StoreVersion(PersistenceError):  # noqa: N818
    """The store was written by a newer checkpointflow.

    Upgrade checkpointflow, or set `CPF_HOME` to another folder.
    """

    code = "ERR_STORE_VERSION"


# -- 70: somebody else is at it --------------------------------------------------------------------


class ConcurrencyError(CheckpointflowError):
    """Somebody else holds what was asked for.

    Say the command again a little later.
    """

    code = "ERR_CONCURRENCY"
    exit_code = 70
    retryable = True


class RunHeldError(ConcurrencyError):
    """The run is driven by a live process, which may be this one; the message says which.

    Wait until that process is done, or follow the run with `cpf resume`.
    """

    code = "ERR_RUN_HELD"


class JournalConflictError(ConcurrencyError):
    """The journal was written by somebody else since it was read, so this drive was abandoned.

    Say `cpf resume --run-id RUN`; nothing was lost.
    """

    code = "ERR_JOURNAL_CONFLICT"


class RunExistsError(ConcurrencyError):
    """A run with this id exists already, with another input or definition.

    Choose another id, or give the input and the document that the run was started with.
    """

    code = "ERR_RUN_EXISTS"
    retryable = False


# -- 80: not here ----------------------------------------------------------------------------------


class UnsupportedError(CheckpointflowError):
    """Known, but impossible here.

    Read the hint; another version or machine may do it.
    """

    code = "ERR_UNSUPPORTED"
    exit_code = 80


class UnknownKindError(UnsupportedError):
    """A step kind that this version does not have.

    Correct the kind, or upgrade checkpointflow.
    """

    code = "ERR_UNSUPPORTED_STEP"


class MissingExtraError(UnsupportedError):
    """An optional dependency is not installed; the message says the install line.

    Run the install line.
    """

    code = "ERR_MISSING_EXTRA"


class EngineLimitError(UnsupportedError):
    """The engine's own limit was reached.

    Have fewer steps go on beside each other: `max_parallel` of `foreach` and `parallel` bounds them. Where the message
    speaks of the history of a run on Temporal, split the workflow into several runs.
    """

    code = "ERR_ENGINE_LIMIT"


# -- 130: Ctrl-C ---------------------------------------------------------------------------------


class CommandInterruptedError(CheckpointflowError):
    """Ctrl-C ended a command that was not driving a run any more, or not yet.

    Say the command again; nothing was left half done.
    """

    code = "ERR_INTERRUPTED"
    exit_code = 130
    retryable = True


# -- 90: a defect of ours --------------------------------------------------------------------------


class InternalError(CheckpointflowError):
    """A defect; made only by a door, from an exception that nothing else named.

    Say the command again with `--debug`, and report the traceback.
    """


def exit_code_of(code: str) -> int:
    """Return the exit code that belongs to an error code, 20 for one that no class of ours carries."""
    for cls in _classes(CheckpointflowError):
        if cls.code == code:
            return cls.exit_code
    return RunError.exit_code


def said(error: BaseException) -> str:
    """Return the name of an exception and its message, cut after 2,000 characters; some cannot even say one."""
    try:
        message = str(error)
    except Exception:
        message = "(its message cannot be had)"
    message = message if len(message) <= _LONGEST_MESSAGE else f"{message[:_LONGEST_MESSAGE]}…"
    return f"{type(error).__name__}: {message}" if message else type(error).__name__


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
