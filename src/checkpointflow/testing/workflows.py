"""The cases of a workflow, from Python: one of them, or a file, played and held against what they expect."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from pathlib import Path

from checkpointflow.config import load_settings
from checkpointflow.errors import UsageError
from checkpointflow.frontends.document.loader import Loaded, load_file
from checkpointflow.frontends.document.strict_yaml import parse
from checkpointflow.records import dataclass
from checkpointflow.schemas import did_you_mean
from checkpointflow.testing.beside import SCHEMA_VERSION
from checkpointflow.testing.cases import Case, CaseFile, check_cases, fields_of, load_cases
from checkpointflow.testing.coverage import Coverage, covered
from checkpointflow.testing.differences import Difference
from checkpointflow.testing.expecting import unmet
from checkpointflow.testing.following import Outcome
from checkpointflow.testing.playing import played
from checkpointflow.values import JsonObject, checked, dump


@dataclass(frozen=True, kw_only=True)
class CaseResult:
    """What came of one case; `line` is where it stands in its file, `elapsed_seconds` of the outcome virtual."""

    name: str
    line: int
    outcome: Outcome
    differences: tuple[Difference, ...]

    @property
    def ok(self) -> bool:
        """Tell whether everything was as expected."""
        return not self.differences

    @property
    def lines(self) -> list[str]:
        """The differences for people, line by line."""
        return [line for one in self.differences for line in one.lines()]

    def check(self) -> None:
        """Do nothing if everything was as expected.

        Raises:
            AssertionError: something was not; it says what.
        """
        if not self.ok:
            raise AssertionError("\n".join([f"case `{self.name}` did not come out as expected:", *self.lines]))

    def as_json(self) -> JsonObject:
        """Return it as an envelope shows it."""
        return {
            "name": self.name,
            "ok": self.ok,
            "line": self.line,
            "status": self.outcome.status,
            "elapsed_seconds": self.outcome.elapsed_seconds,
            "differences": [one.as_json() for one in self.differences],
        }


@dataclass(frozen=True, kw_only=True)
class CasesReport:
    """What came of the cases of a document, and what they reached of it."""

    file: Path
    loaded: Loaded
    results: tuple[CaseResult, ...]
    coverage: Coverage

    @property
    def ok(self) -> bool:
        """Tell whether every case came out as expected."""
        return all(result.ok for result in self.results)


def run_case(document: str | Path, case: Mapping[str, object]) -> CaseResult:
    """Return what comes of one case, given as in a file of cases; `expect` may be left out, and then a run completes.

    Raises:
        DocumentError: the document or the case has problems; all are in `problems`.
        FileMissingError, YamlError, UnknownKindError: the document cannot be read.
    """
    loaded = load_file(Path(document).absolute(), cwd=Path(document).absolute().parent)
    fields = {"name": "a case", "expect": {"status": "completed"}} | dict(case)
    text = dump(checked({"schema_version": SCHEMA_VERSION, "cases": [fields]}, "case"))
    file = check_cases(parse(text), None, loaded)
    return result_of(file.loaded, file.cases[0])


def run_cases(path: str | Path, *, names: Collection[str] = (), cwd: str | Path = ".") -> CasesReport:
    """Return what comes of the cases in a file, or in the one beside a document; of those named, where some are.

    Raises:
        UsageError: no case has one of the names.
        DocumentError: the document or the cases have problems; all are in `problems`.
        FileMissingError, YamlError, UnknownKindError: one of both cannot be read.
    """
    file = load_cases(path, cwd=Path(cwd).absolute())
    results = tuple(result_of(file.loaded, case) for case in _chosen(file, names))
    reached = covered(file.loaded, (result.outcome.reached for result in results))
    return CasesReport(file=file.path, loaded=file.loaded, results=results, coverage=reached)


def result_of(loaded: Loaded, case: Case) -> CaseResult:
    """Play a checked case and return what came of it."""
    environment = load_settings().environment if case.fields.get("real") else {}
    outcome = played(loaded, case.fields, environment)
    differences = tuple(unmet(fields_of(case.fields["expect"]), outcome))
    return CaseResult(name=case.name, line=case.line, outcome=outcome, differences=differences)


def _chosen(file: CaseFile, names: Collection[str]) -> list[Case]:
    known = [case.name for case in file.cases]
    for name in names:
        if name not in known:
            hint = did_you_mean(name, known) or "there are " + ", ".join(f"`{one}`" for one in known)
            raise UsageError(f"`{file.path.name}` has no case `{name[:80]}`", hint=hint)
    return [case for case in file.cases if not names or case.name in names]
