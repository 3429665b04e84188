"""Checks of commands at load time: whether their values stand where they can, and who reads them there."""

from __future__ import annotations

import shlex
from bisect import bisect_right

from checkpointflow.expressions import Template
from checkpointflow.frontends.document.findings import Findings
from checkpointflow.frontends.document.holes import hole_of, is_numeric, shell_parts
from checkpointflow.frontends.document.model import Document, Path, Step
from checkpointflow.frontends.document.secret_places import SecretPlaces, secret_of
from checkpointflow.frontends.document.shell import (
    Hole,
    ShellRefused,
    assigned_values,
    is_evaluated_variable,
    place_values,
    second_interpreter_notes,
    visible_arguments,
)
from checkpointflow.frontends.document.written_texts import Parsed, expressions_of


class CommandChecks:
    """The commands of one document, which share the `env` of its defaults."""

    def __init__(self, document: Document, findings: Findings, secrets: SecretPlaces) -> None:
        self._document = document
        self._findings = findings
        self._secrets = secrets
        self._default_env: frozenset[str] = frozenset()

    def check_defaults(self, parsed: Parsed) -> None:
        """Report what is wrong with the `env` of the defaults; it comes before all steps."""
        self._default_env = self._check_env(parsed, ("workflow", "defaults"))

    def check(self, step: Step, parsed: Parsed) -> None:
        """Report what is wrong or doubtful in a step of kind `cli`; `parsed` are its texts."""
        carried = self._check_env(parsed, step.path) | self._default_env
        shell = str(step.fields.get("shell") or self._document.defaults.get("shell") or "sh")
        texts = [(text, one) for text, one in parsed if text.place == "shell" and isinstance(one, Template)]
        has_values = bool(carried)
        if len(texts) > 1:  # the texts of a list share one shell: what one puts into a variable another may evaluate
            has_values = has_values or not all(is_numeric(hole) for _, one in texts for hole in expressions_of(one))
            carried = carried.union(*(assigned_values(shell_parts(one), shell=shell) for _, one in texts))
        for text, template in texts:
            path = (*step.path, *text.path)
            if self._is_placed(path, template, shell, has_values=has_values):
                self._check_readers(path, template, shell, carried)
        self._check_argv(step, parsed, carried)

    def _is_placed(self, path: Path, template: Template, shell: str, *, has_values: bool) -> bool:
        try:
            place_values(shell_parts(template), shell=shell, env_holes=has_values)
        except ShellRefused as refused:
            for one in refused.refusals:
                self._findings.error_in(path, one.offset, one.message, one.hint)
            return False
        return True

    def _check_readers(self, path: Path, template: Template, shell: str, carried: frozenset[str]) -> None:
        parts = shell_parts(template)
        for note in second_interpreter_notes(parts, shell=shell, env=carried):
            self._findings.warning_in(path, note.offset, note.message, note.hint)
        expressions = list(expressions_of(template))
        for index, program in visible_arguments(parts, shell=shell).items():
            if secret_of(expressions[index]) is not None:
                self._secrets.warn_visible(path, expressions[index], program)

    def _check_argv(self, step: Step, parsed: Parsed, carried: frozenset[str]) -> None:
        """A shell or another interpreter named in `argv` gets the value as its own text."""
        parts: list[str | Hole] = []
        starts: list[int] = []
        places: list[tuple[Path, int]] = []
        at = 0
        for text, template in parsed:
            if text.path[0] != "argv":
                continue
            if not isinstance(template, Template):
                return
            for part, offset in zip(template.parts, template.offsets, strict=True):
                starts.append(at)
                places.append(((*step.path, *text.path), offset))
                parts.append(shlex.quote(part) if isinstance(part, str) else hole_of(part, at))
                at += len(parts[-1]) if isinstance(parts[-1], str) else len("${}") + len(parts[-1].source)
            parts.append(" ")
            at += 1
        for note in second_interpreter_notes(parts, shell="sh", env=carried):
            path, offset = places[bisect_right(starts, note.offset) - 1]
            self._findings.warning_in(path, offset, note.message, note.hint)

    def _check_env(self, parsed: Parsed, at: Path) -> frozenset[str]:
        """Return the variables of `env` that carry more than numbers; none may go where a shell evaluates it."""
        carried: set[str] = set()
        for text, template in parsed:
            if text.path[0] != "env" or template is None or all(map(is_numeric, expressions_of(template))):
                continue
            name = str(text.path[-1])
            carried.add(name)
            if is_evaluated_variable(name):
                hint = "carry the value in a variable of another name"
                self._findings.error((*at, *text.path), f"shells evaluate the variable `{name}` themselves", hint)
        return frozenset(carried)
