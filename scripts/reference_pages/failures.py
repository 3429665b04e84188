"""The pages on errors and exit codes, from the tree of errors and the table of exit codes."""

from __future__ import annotations

from collections.abc import Iterator

from checkpointflow.cli.door import COMMANDS
from checkpointflow.cli.exits import ALWAYS, EXIT_CODES, POSSIBLE
from checkpointflow.errors import CheckpointflowError
from reference_pages.markdown import anchor, code, codes, page, paragraphs, table


def error_classes(root: type[CheckpointflowError] = CheckpointflowError) -> Iterator[type[CheckpointflowError]]:
    """Return the package's own error classes below a root, the root left out."""
    for cls in root.__subclasses__():
        if cls.__module__.partition(".")[0] == "checkpointflow":
            yield cls
            yield from error_classes(cls)


def error_section(cls: type[CheckpointflowError]) -> str:
    """Return what the page says of one error."""
    when, remedy = paragraphs(cls.__doc__)
    later = " The same may well succeed later (`retryable`)." if cls.retryable else ""
    return f"### {cls.code}\n\n{when}{later} In Python `{cls.__name__}`.\n\n**To do:** {remedy}\n"


def errors_page() -> str:
    """Return the page on errors."""
    parts, rows = [], []
    for number, meaning in EXIT_CODES.items():
        classes = [cls for cls in error_classes() if cls.exit_code == number]
        if classes:
            heading = f"{number}: {meaning.title}"
            rows.append([f"[{number}](#{anchor(heading)})", ", ".join(f"[{_short(c)}](#{_link(c)})" for c in classes)])
            parts += [f"## {heading}\n", f"{meaning.fact}.\n", *map(error_section, classes)]
    return page(
        "Errors",
        "A refusal or failure stands as `error` in the [envelope](envelope.md#an-error): `code`, `message` (the fact, "
        "then the remedy), `details` for programs, `retryable`, and where they are known `step_id`, `step_key`, "
        "`hint`. The number is the [exit code](exit-codes.md) of the command. A failed run keeps its error, so "
        "`cpf status` exits with the same number as the command that saw it fail.\n",
        table(["exit code", "codes, without `ERR_`"], rows),
        *parts,
    )


def _short(cls: type[CheckpointflowError]) -> str:
    return cls.code.removeprefix("ERR_")


def _link(cls: type[CheckpointflowError]) -> str:
    return cls.code.lower()


def commands_with(number: int) -> str:
    """Return which commands can give an exit code."""
    if number in ALWAYS:
        return "any command"
    return ", ".join(f"[{name}](commands.md#cpf-{name})" for name in COMMANDS if number in POSSIBLE[name])


def exit_codes_page() -> str:
    """Return the page on exit codes."""
    with_errors = {cls.exit_code for cls in error_classes()}
    rows = [
        [
            f"[{number}](errors.md#{anchor(f'{number}: {meaning.title}')})" if number in with_errors else str(number),
            f"**{meaning.title}**. {meaning.fact}",
            meaning.remedy,
        ]
        for number, meaning in EXIT_CODES.items()
    ]
    return page(
        "Exit codes",
        "The exit code of a command is also `exit_code` in its [envelope](envelope.md).\n",
        table(["code", "means", "what to do"], rows),
        "`run`, `resume`, `retry` and `decide` drive a run and follow it: their exit code says how it stands at the "
        "end. `status` and `inspect` show a run and exit as it stands: 0 while it is running, paused or completed, 40 "
        "waiting, 50 cancelled, 20 interrupted, and for a failed run the number of its error. `--exit-zero` makes "
        "these 0. `send`, `cancel`, `run --detach` and whatever has `--no-follow` exit with 0 once it is recorded.\n",
        "## Which command gives which\n",
        table(["code", "commands"], [[str(number), commands_with(number)] for number in EXIT_CODES]),
        f"A failure has a code of its own, {codes(['ERR_…'])}: see [errors](errors.md). A script that only wants to "
        f"know whether it has to act looks for {code('0')} and {code('40')} first.\n",
    )
