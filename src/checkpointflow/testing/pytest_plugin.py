"""The pytest plugin: cases in `*.test.yaml` files are collected as tests; loads nothing before there is such a file."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from checkpointflow.testing.beside import SCHEMA_VERSION, is_case_file

if TYPE_CHECKING:
    from checkpointflow.errors import CheckpointflowError
    from checkpointflow.frontends.document.loader import Loaded
    from checkpointflow.testing.cases import Case

_LOOKED_AT = 64 * 1024


def pytest_collect_file(file_path: Path, parent: pytest.Collector) -> pytest.Collector | None:
    """Collect a file of cases; one that other tools own is left to them."""
    if not is_case_file(file_path):
        return None
    with file_path.open("rb") as file:
        is_ours = SCHEMA_VERSION.encode() in file.read(_LOOKED_AT)
    return WorkflowCases.from_parent(parent, path=file_path) if is_ours else None


class WorkflowCases(pytest.File):
    """A file of cases."""

    def collect(self) -> Iterator[WorkflowCase]:
        """Yield the cases.

        Raises:
            CheckpointflowError: the file, or its document, cannot be used.
        """
        from checkpointflow.testing.cases import load_cases

        file = load_cases(self.path, cwd=self.path.parent)
        for case in file.cases:
            yield WorkflowCase.from_parent(self, name=case.name, loaded=file.loaded, case=case)

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """Return what is wrong with the file, each problem with its place."""
        from checkpointflow.errors import CheckpointflowError

        if isinstance(excinfo.value, CheckpointflowError):
            return _refused(excinfo.value)
        return str(super().repr_failure(excinfo))


class WorkflowCase(pytest.Item):
    """One case."""

    def __init__(self, *, loaded: Loaded, case: Case, **given: object) -> None:
        super().__init__(**given)  # type: ignore[arg-type]
        self._loaded = loaded
        self._case = case

    def runtest(self) -> None:
        """Play the case.

        Raises:
            AssertionError: it did not come out as expected.
        """
        from checkpointflow.testing.workflows import result_of

        result_of(self._loaded, self._case).check()

    def repr_failure(self, excinfo: pytest.ExceptionInfo[BaseException]) -> str:  # type: ignore[override]
        """Return the differences, without the way through our code."""
        if isinstance(excinfo.value, AssertionError):
            return f"{self.path}:{self._case.line}: {excinfo.value}"
        return str(super().repr_failure(excinfo))

    def reportinfo(self) -> tuple[Path, int, str]:
        """Return where the case stands."""
        return self.path, self._case.line - 1, self.name


def _refused(error: CheckpointflowError) -> str:
    problems = getattr(error, "problems", [])
    lines = [f"{one['file']}:{one['line']}:{one['column']}: {one['message']}" for one in problems]
    return "\n".join([error.message, *lines])
