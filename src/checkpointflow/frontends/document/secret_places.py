"""Where `${secrets.NAME}` may stand, and what is said where it may not; no values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checkpointflow.errors import ExpressionError
from checkpointflow.expressions import Expression
from checkpointflow.frontends.document.findings import Findings
from checkpointflow.frontends.document.model import Document, Path
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.frontends.document.written_texts import Text

_WHOLE = re.compile(r"\s*secrets\s*\.\s*(\w+)\s*", re.ASCII)
_UNDECLARED = "declare it below `workflow`: `secrets: {NAME: {env: VARIABLE}}`"
_ALONE = "write `${secrets.NAME}` alone, or as a part of a text"
_HINTS = {
    "argv": "arguments stand in the process list for everybody to read; hand it over in `env` or `stdin`",
    "inputs": "inputs are written to the journal; the other workflow declares the secret itself",
}


def secret_of(expression: Expression) -> str | None:
    """Return the name of the secret that an expression is, None if it is anything else."""
    found = _WHOLE.fullmatch(expression.source)
    return found.group(1) if found else None


class SecretPlaces:
    """The secrets of one document: which are used, and which stand where they must not."""

    def __init__(self, document: Document, findings: Findings) -> None:
        self._document = document
        self._findings = findings
        self._used: set[str] = set()

    def check(self, path: Path, text: Text, expression: Expression) -> None:
        """Report each secret of an expression that is not all of it, or that stands where it would be written down."""
        for reference in expression.references:
            if reference.path[0] != "secrets":
                continue
            self._used |= {str(name) for name in reference.path[1:2]}
            name = secret_of(expression)
            if name is None:
                message = "a secret is never a part of an expression, nor are all of them together one"
                self._findings.error_in(path, reference.offset, message, _ALONE)
            elif not text.takes_secrets:
                message = f"`${{secrets.{name}}}` may not stand here; secrets go into effects, and nowhere else"
                self._findings.error_in(path, reference.offset, message, _hint(text))

    def hint(self, error: ExpressionError) -> str | None:
        """Return the hint of an error; for a document that declares no secrets, how to do that."""
        return _UNDECLARED if error.message.startswith("`secrets` is not known") else error.hint

    def warn_visible(self, path: Path, expression: Expression, program: str) -> None:
        """Warn of a secret that becomes an argument of a program."""
        message = f"`${{{expression.source}}}` becomes an argument of `{program}`, and the process list shows arguments"
        hint = "let the program read it from a variable of `env`, from `stdin` or from a here-document"
        self._findings.warning_in(path, expression.offset, message, hint)

    def check_header(self) -> None:
        """Report what is wrong with the declarations, once all texts are checked."""
        for name, source in self._document.secrets.items():
            at: Path = ("workflow", "secrets", name)
            for key, text in source.items():
                if "${" in str(text):
                    self._findings.error((*at, key), "no expression may stand here", "write the text itself")
            if name not in self._used:
                message = f"the secret `{name}` is never used, and runs are refused where it is missing"
                self._findings.warning(at, message, "remove it", at_key=True)


def _hint(text: Text) -> str:
    known = _HINTS.get(str(text.path[0]))
    return known or f"places for secrets: {'; '.join(_places())}"


def _places() -> Iterator[str]:
    for spec in KINDS.values():
        fields = [
            f"`{name}`" for name, field in spec.fields.items() if isinstance(field, dict) and "x-secrets" in field
        ]
        if fields:
            yield f"{', '.join(fields)} of `{spec.name}`"
