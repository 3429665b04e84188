"""Which inputs look like secrets, told by their names and by what their schema says of them; no values."""

from __future__ import annotations

import re
from collections.abc import Iterator

from checkpointflow.frontends.document.findings import Findings
from checkpointflow.frontends.document.model import Path
from checkpointflow.values import JsonValue

_WORD = re.compile(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+")
_LAST = frozenset({"password", "passwd", "pwd", "passphrase", "passcode", "secret", "secrets", "token", "apikey"})
_LAST |= {"credential", "credentials"}
_KEYS = frozenset({"access", "account", "api", "app", "auth", "client", "deploy", "encryption", "gpg", "license"})
_KEYS |= {"master", "pgp", "private", "secret", "service", "shared", "signing", "ssh", "storage"}
_BRANCHES = ("allOf", "anyOf", "oneOf")


def check_secret_inputs(inputs: JsonValue, findings: Findings) -> None:
    """Warn of every declared input that looks like a secret, at its name."""
    for path, name, why in _secret(inputs, ("workflow", "inputs")):
        written = re.sub(r"\W", "_", name, flags=re.ASCII)
        message = f"the input `{name[:100]}` {why}, and inputs are written to the journal and shown"
        hint = (
            f"declare it below `workflow`, as in `secrets: {{{written}: {{env: {written.upper()}}}}}`, "
            f"and write `${{secrets.{written}}}`"
        )
        findings.warning(path, message, hint, at_key=True)


def _secret(schema: JsonValue, path: Path) -> Iterator[tuple[Path, str, str]]:
    """Yield the properties that look like secrets, at any depth: where, their name, and why."""
    if not isinstance(schema, dict):
        return
    properties = schema.get("properties")
    for name, declared in properties.items() if isinstance(properties, dict) else ():
        at = (*path, "properties", name)
        why = _why(name, declared)
        if why:
            yield at, name, why
        else:
            yield from _secret(declared, at)
    yield from _secret(schema.get("items"), (*path, "items"))
    for word in _BRANCHES:
        options = schema.get(word)
        for index, option in enumerate(options if isinstance(options, list) else ()):
            yield from _secret(option, (*path, word, index))


def _why(name: str, schema: JsonValue) -> str:
    known = schema if isinstance(schema, dict) else {}
    if known.get("writeOnly") is True:
        return "is `writeOnly`"
    if known.get("format") == "password":
        return "has the format `password`"
    types = known.get("type", "string")
    is_text = types == "string" or (isinstance(types, list) and "string" in types)
    is_open = "enum" not in known and "const" not in known
    return "looks like a secret" if is_text and is_open and _is_of_secret(name) else ""


def _is_of_secret(name: str) -> bool:
    words = [word.lower() for word in _WORD.findall(name)]
    return bool(words) and (words[-1] in _LAST or (words[-1] == "key" and words[-2:-1] != [] and words[-2] in _KEYS))
