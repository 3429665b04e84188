"""`cpf test`: plays the cases that are kept beside a document, and tells what they did not reach of it."""

from __future__ import annotations

from argparse import ArgumentParser, ArgumentTypeError, Namespace
from collections.abc import Iterator
from typing import TYPE_CHECKING

from checkpointflow.cli import arguments, shapes
from checkpointflow.cli.actions import action, of_file
from checkpointflow.cli.envelope import Envelope
from checkpointflow.errors import CasesFailedError
from checkpointflow.values import JsonObject

if TYPE_CHECKING:
    from checkpointflow.cli.door import Door
    from checkpointflow.testing import CasesReport

NAME = "test"
SUMMARY = "play the cases kept beside a document, effects mocked and time virtual, and show what they did not reach"


def add_arguments(parser: ArgumentParser) -> None:
    """Declare the words."""
    parser.add_argument("file", type=arguments.word, help="the document, or the file of its cases: `publish.test.yaml`")
    meaning = "only the case with this name; may be repeated"
    parser.add_argument("--case", action="append", default=[], type=arguments.word, metavar="NAME", help=meaning)
    meaning = "exit with 30 if the cases reach less of the document's steps and transitions"
    parser.add_argument("--min-coverage", type=_percent, metavar="PERCENT", help=meaning)
    meaning = "json: one envelope (json)"
    parser.add_argument("-o", "--output-format", dest="form", choices=("json",), default="json", help=meaning)


def run(args: Namespace, door: Door) -> Envelope:
    """Play the cases; the exit code is 30 if one did not come out as expected.

    Raises:
        FileMissingError, YamlError, DocumentError: the cases or their document cannot be used (10).
        UsageError: there is no case of that name.
    """
    from checkpointflow.testing import run_cases

    report = run_cases(args.file, names=args.case, cwd=door.settings.cwd)
    fields: JsonObject = {
        "workflow_id": report.loaded.document.id,
        "file": str(report.file),
        "cases": [result.as_json() for result in report.results],
        "coverage": report.coverage.as_json(),
        "next_actions": [action("Check the document", ["cpf", "validate", *of_file(str(report.loaded.document.path))])],
    }
    error = _failure(report, args.min_coverage)
    if error is None:
        return Envelope(fields=fields, said=(*_told(report),))
    fields |= {"error": shapes.error_fields(error), "next_actions": [action("Play them again", door.again())]}
    return Envelope(ok=False, exit_code=error.exit_code, fields=fields, said=(*_told(report),))


def _failure(report: CasesReport, least: float | None) -> CasesFailedError | None:
    failed = [result.name for result in report.results if not result.ok]
    if failed:
        first = f"`{failed[0]}`" + (f" and {len(failed) - 1} more" if len(failed) > 1 else "")
        return CasesFailedError(
            f"{len(failed)} of {len(report.results)} cases did not come out as expected ({first}); `cases` has the "
            "differences",
            details={"failed": [*failed]},
        )
    percent = report.coverage.percent
    if least is not None and percent < least:
        fact = f"the cases reach {percent:g} % of the steps and transitions, less than {least:g} %"
        return CasesFailedError(f"{fact}; `coverage.missed` lists the rest", details={"percent": percent})
    return None


def _told(report: CasesReport) -> Iterator[str]:
    from checkpointflow.testing.coverage import told

    for result in report.results:
        yield f"{'ok' if result.ok else 'failed':<8}{result.name}"
        yield from (f"        {line}" for line in result.lines)
    coverage = report.coverage
    yield f"{coverage.percent:g} % of {len(coverage.places)} steps and transitions were reached"
    for line, place in coverage.lines():
        yield f"{report.loaded.document.path}:{line}: {told(place)}"


def _percent(text: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = -1.0
    if not 0 <= value <= 100:
        raise ArgumentTypeError(f"{text[:80]!r} is not a number from 0 to 100")
    return value
