"""The door: from words to one envelope and an exit code; the one place that turns exceptions into answers."""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterable
from contextlib import suppress
from importlib import import_module
from typing import TYPE_CHECKING, Any, cast

from checkpointflow.cli import refusals, streams
from checkpointflow.cli.envelope import Envelope, Form
from checkpointflow.errors import CheckpointflowError, UsageError
from checkpointflow.records import replace

if TYPE_CHECKING:
    from checkpointflow.client import Client, Reader
    from checkpointflow.client.place import Place
    from checkpointflow.config import Settings
    from checkpointflow.values import JsonValue
    from checkpointflow.views import RunView

COMMANDS = (
    "init", "guide", "validate", "test", "schema", "graph", "flows", "plan", "run", "resume", "send", "waits", "runs",
    "status", "inspect", "logs", "cancel", "retry", "decide", "fork", "tick", "worker", "export", "import", "verify",
    "delete", "gc", "doctor", "completion",
)  # fmt: skip


def main(argv: list[str], told: list[int]) -> None:
    """Run one command and print its answer; its exit code is added to `told` when that begins, and if it changes.

    Raises:
        KeyboardInterrupt: a signal came on the way in or out, where there is nothing that it interrupts.
    """
    streams.prepare()
    with streams.Apart():
        _opened(argv, told)


def _opened(argv: list[str], told: list[int]) -> None:
    door = Door(argv)
    try:
        envelope = _answer(door)
        if door.engine:
            from checkpointflow.cli.engine import on_engine

            envelope = on_engine(envelope, door.engine, is_said=door.engine_said is not None)
        text = envelope.rendered(door.command, door.form)
    except Exception as error:  # the one blanket: whatever this is, it is a defect, and the caller gets an envelope
        door.trace()
        envelope = refusals.defect(error, door)
        text = envelope.rendered(door.command, door.form)
    _put(door, envelope, text, told)


def leave(argv: list[str], told: list[int]) -> None:
    """Print the answer to a Ctrl-C that came too early or too late for everything else, as `main` does."""
    _hear_no_more()
    door = Door(argv)
    door.command = next(iter(word for word in argv if word in COMMANDS), "")
    envelope = refusals.interrupted(door)
    _put(door, envelope, envelope.rendered(door.command, door.form), told)


def _answer(door: Door) -> Envelope:
    try:
        try:
            return perform(door)
        except CheckpointflowError as error:
            door.trace()
            return refusals.refusal(error, door)
        except KeyboardInterrupt:
            _hear_no_more()
            door.trace()
            return refusals.interrupted(door)
    finally:
        door.close()


def _hear_no_more() -> None:
    """Have a second Ctrl-C or SIGTERM not keep back the answer to the first."""
    import signal

    with suppress(ValueError):  # another thread than the main one hears none anyway
        for number in (signal.SIGINT, signal.SIGTERM):
            signal.signal(number, signal.SIG_IGN)


def _put(door: Door, envelope: Envelope, text: str, told: list[int]) -> None:
    if not door.quiet and streams.talks_to_terminal():
        from checkpointflow.cli.summary import told as summary

        streams.say(summary(envelope, door))
    try:
        failed = streams.put(text, begun=lambda: told.append(envelope.exit_code))
    except KeyboardInterrupt:
        if not told:
            raise
        failed = refusals.interrupted(door).exit_code  # whoever reads has had enough of it
    if failed:
        told.append(failed)


def perform(door: Door) -> Envelope:
    """Find the command that the words begin with, and return its answer.

    Raises:
        UsageError: there is no such command, or its words do not fit.
        CheckpointflowError: what the command refuses.
    """
    words = door.words
    if not words:
        if not door.quiet:
            streams.say(_overview())
        raise UsageError("`cpf` needs a command", hint="see `cpf --help`")
    if words[0] in {"--help", "-h"}:
        return Envelope(text=_overview())
    if words[0] not in COMMANDS:
        raise _unknown(words[0])
    door.command = words[0]
    return _perform(door, import_module(f"checkpointflow.cli.commands.{words[0]}"), words[1:])


def _perform(door: Door, command: Any, words: list[str]) -> Envelope:
    from checkpointflow.cli.arguments import HelpAsked, parsed

    try:
        args = parsed(command, words)
    except HelpAsked as asked:
        return Envelope(text=asked.text)
    door.file = getattr(args, "file", None)
    door.actor = getattr(args, "actor", None)
    door.form = cast(Form, getattr(args, "form", "json"))
    if door.engine is not None:
        from checkpointflow.cli.engine import refuse_elsewhere

        refuse_elsewhere(door.command, door.engine, is_said=door.engine_said is not None)
    run = cast("Callable[[Any, Door], Envelope]", command.run)
    return run(args, door)


def _unknown(word: str) -> UsageError:
    from checkpointflow.cli.arguments import nearest

    close = nearest(word, COMMANDS)
    hint = f"did you mean `cpf {close}`?" if close else f"there are {', '.join(COMMANDS)}"
    what = "option" if word.startswith("-") else "command"
    return UsageError(f"`cpf` has no {what} `{word[:80]}`", hint=hint)


def _overview() -> str:
    modules = [import_module(f"checkpointflow.cli.commands.{name}") for name in COMMANDS]
    lines = [f"  {module.NAME:<12}{module.SUMMARY}" for module in modules]
    return "\n".join(
        [
            "usage: cpf COMMAND ...",
            "",
            "Durable workflows: validated, recorded step by step, resumed from anywhere.",
            "",
            *lines,
            "",
            "`cpf COMMAND --help` shows a command's words, `cpf --version` the version.",
            "",
        ]
    )


class Door:
    """What a command may use: the client, who is at the terminal, and what is known so far.

    `inputs` is the schema of the document's input once there is a document.
    """

    def __init__(self, argv: list[str]) -> None:
        end = argv.index("--") if "--" in argv else len(argv)
        loose = argv[:end]
        self.argv = argv
        self.debug = "--debug" in loose
        self.quiet = "--quiet" in loose or "-q" in loose
        named = [word for word in loose if word not in {"--debug", "--quiet", "-q"}]
        self.engine_said: str | None = None
        if any(word.startswith("--engine") for word in named):
            from checkpointflow.cli.engine import parted

            named, self.engine_said = parted(named)
        self._words = named + argv[end:]
        self.command = ""
        self.form: Form = "ndjson" if "ndjson" in loose else "json"
        self.file: str | None = None
        self.actor: str | None = None
        self.run_id: str | None = None
        self.inputs: JsonValue = None
        self._settings: Settings | None = None
        self._place: Place | None = None
        self._client: Client | None = None

    @property
    def words(self) -> list[str]:
        """The words of the command line, without those that every command takes.

        Raises:
            UsageError: one of them is no text.
        """
        for word in self.argv:
            if "\0" in word or any("\ud800" <= char <= "\udfff" for char in word):
                raise UsageError("a word of the command line is not text in UTF-8; write it again")
        return self._words

    @property
    def settings(self) -> Settings:
        """Where state is kept, who acts, and what commands inherit.

        Raises:
            UsageError: a variable of the environment has a value that is none.
        """
        if self._settings is None:
            from checkpointflow.config import load_settings

            found = load_settings()
            self._settings = found if self.actor is None else replace(found, actor=self.actor)
        return self._settings

    @property
    def engine(self) -> str | None:
        """The address of the engine whose runs the command is about; None for the embedded one, or about no runs."""
        from checkpointflow.config import chosen_engine

        if self.engine_said is not None or (chosen := chosen_engine()) is None:
            return self.engine_said
        from checkpointflow.cli.engine import WITHOUT_RUNS

        return None if self.command in WITHOUT_RUNS else chosen

    @property
    def strict(self) -> list[str]:
        """`--strict`, if that was said, for the commands that follow."""
        return ["--strict"] if "--strict" in self._words else []

    def again(self, *options: str) -> list[str]:
        """Return the command that was typed, with further options."""
        return ["cpf", *self._words[:1], *options, *self._words[1:]]

    def reader(self) -> Reader:
        """Return what looks at runs, which needs no engine; it is closed with the door."""
        if self._client is not None:
            return self._client
        if self.engine is not None:
            from checkpointflow.cli.engine import client_on

            return client_on(self.place, self.settings)
        from checkpointflow.client import Reader

        return Reader(self.settings, place=self.place)

    def client(self, **options: Any) -> Client:
        """Return the client, made by the first call with its options; it is closed with the door."""
        if self._client is None and self.engine is not None:
            from checkpointflow.cli.engine import client_on

            self._client = client_on(self.place, self.settings, **options)
        if self._client is None:
            from checkpointflow.client import Client

            self._client = Client(self.settings, place=self.place, **options)
        return self._client

    @property
    def place(self) -> Place:
        """The store, opened when it is first asked for, and what goes with it."""
        if self._place is None and self.engine is not None:
            from checkpointflow.cli.engine import place_on

            self._place = place_on(self.engine, self.settings)
        if self._place is None:
            from checkpointflow.client.place import place_of

            self._place = place_of(self.settings)
            self._notify(getattr(self._place.store, "notices", []))
        return self._place

    def _notify(self, notices: Iterable[str]) -> None:
        for notice in [] if self.quiet else notices:
            streams.say(f"{notice}\n")

    def find(self, fragment: str) -> str:
        """Return the id of the run that a fragment names, and have it stand in every answer from here on.

        Raises:
            UsageError: the fragment is too short.
            RunNotFoundError: it names no run, or several.
        """
        self.run_id = self.reader().resolve(fragment)
        return self.run_id

    def present_run(self, run_id: str | None) -> RunView | None:
        """Return a run that is known, as it stands now; None if there is none or it cannot be read."""
        run_id = run_id or self.run_id
        if run_id is None or self._place is None:
            return None
        try:
            return self.reader().get(run_id)
        except CheckpointflowError:
            return None  # the error that is being told matters more

    def trace(self) -> None:
        """Print the traceback of the exception that is being handled, if that was asked for."""
        if self.debug and sys.stderr is not None:
            import traceback

            streams.say(traceback.format_exc())

    def close(self) -> None:
        """Close the store, if it was opened."""
        if self._place is not None:
            place, self._place, self._client = self._place, None, None
            place.store.close()
