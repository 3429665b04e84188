"""Checks of `api` steps at load time: the url as written, the headers, and what their authors should decide."""

from __future__ import annotations

from collections.abc import Iterable

from checkpointflow.expressions import Expression, Template
from checkpointflow.frontends.document.findings import Findings
from checkpointflow.frontends.document.model import Step
from checkpointflow.frontends.document.secret_places import secret_of
from checkpointflow.frontends.document.url_places import faults, of_host
from checkpointflow.frontends.document.written_texts import Text
from checkpointflow.steps.urls import RESERVED_HEADERS
from checkpointflow.values import JsonObject

UNDECIDED = ("POST", "PATCH")
"""Methods that may do harm when they are sent twice."""


def check_api(
    step: Step, parsed: Iterable[tuple[Text, Template | Expression | None]], defaults: JsonObject, findings: Findings
) -> None:
    """Report what is wrong or doubtful in a step of kind `api`; `parsed` are its texts."""
    for text, template in parsed:
        if text.path == ("url",) and isinstance(template, Template):
            _check_url(step, template, findings)
    _check_headers(step, findings)
    _check_timeout(step, defaults, findings)
    method = step.fields.get("method")
    if method in UNDECIDED and step.effect is None:
        hint = "write `effect: idempotent` if the server heeds `Idempotency-Key` or twice does no harm, else `once`"
        message = f"`{method}` without `effect` is sent again when nobody knows whether it took effect"
        findings.warning((*step.path, "method"), message, hint)


def _check_url(step: Step, template: Template, findings: Findings) -> None:
    path = (*step.path, "url")
    for expression in of_host(template):
        if secret_of(expression) is not None:
            message = f"`${{{expression.source}}}` says who is asked, and names are looked up and shown"
            hint = "a secret may stand in the path and the query; write the host out, or take it from `inputs`"
            findings.error_in(path, expression.offset, message, hint, code="ERR_VALIDATION_WORKFLOW")
    for fault in faults(template):
        if fault.is_error:
            findings.error_in(path, fault.offset, fault.message, fault.hint, code="ERR_VALIDATION_WORKFLOW")
        else:
            findings.warning_in(path, fault.offset, fault.message, fault.hint)


def _check_headers(step: Step, findings: Findings) -> None:
    headers = step.fields.get("headers")
    seen: dict[str, str] = {}
    for name in headers if isinstance(headers, dict) else {}:
        path = (*step.path, "headers", name)
        if name.lower() in RESERVED_HEADERS:
            message = f"the header `{name}` belongs to the connection, which sets it itself"
            findings.error(path, message, "remove it", at_key=True)
        elif name.lower() in seen:
            message = f"the headers `{seen[name.lower()]}` and `{name}` are the same one"
            findings.error(path, message, "remove one of them", at_key=True)
        seen.setdefault(name.lower(), name)


def _check_timeout(step: Step, defaults: JsonObject, findings: Findings) -> None:
    seconds = step.fields.get("timeout_seconds", defaults.get("timeout_seconds"))
    if seconds is None:
        hint = "write `timeout_seconds: 30`, or what fits"
        findings.warning(step.path, f"`{step.id}` does not say `timeout_seconds`, so 30 seconds hold", hint)
    elif seconds == 0:
        hint = "give it as many seconds as it may take"
        findings.warning(step.path, f"`{step.id}` has no timeout: a server that never answers holds it up", hint)
