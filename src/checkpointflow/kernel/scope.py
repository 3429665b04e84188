"""Step paths: how names, items and visits become the keys of one scope; the only minter of step keys."""

from __future__ import annotations

import re

from checkpointflow.kernel.ids import StepKey

_SPECIAL = re.compile(r"[/#\[\]%]")
_ITEM = re.compile(r"\[[^\[\]]*\]$")


class Scope:
    """One place in a run where names are visited; it numbers the visits of each name.

    Keys are paths: `name`, `name#2` (second visit), `scope/name`, and `scope[0]` or `scope["eu"]` for the
    member of a scope. They depend on names and visits alone, never on which member was faster.
    """

    def __init__(self, key: str = "") -> None:
        self.key = key
        self._visits: dict[str, int] = {}

    def visit(self, name: str) -> StepKey:
        """Return the key of the next visit of a name."""
        return self._next(encoded_name(name))

    def reserved(self, word: str) -> StepKey:
        """Return the key of the next visit of one of the engine's own words, which no name can spell."""
        return self._next(f"%{word}")

    def visits(self, name: str) -> int:
        """Return how often a name was visited so far."""
        return self._visits.get(encoded_name(name), 0)

    def _next(self, encoded: str) -> StepKey:
        visit = self._visits.get(encoded, 0) + 1
        self._visits[encoded] = visit
        suffix = f"#{visit}" if visit > 1 else ""
        return StepKey(f"{self.key}/{encoded}{suffix}" if self.key else encoded + suffix)


def member_key(scope_key: str, item: int | str) -> StepKey:
    """Return the key of a scope's member, by its index or by its own text."""
    inside = str(item) if isinstance(item, int) else f'"{encoded_name(item)}"'
    return StepKey(f"{scope_key}[{inside}]")


def path_of(key: str) -> tuple[StepKey, ...]:
    """Return the keys on the way to a key, from the outermost scope to itself: `f`, `f["a"]/g`, `f["a"]/g/s`."""
    segments = key.split("/")
    outer = ["/".join(segments[:end]) for end in range(1, len(segments))]
    return (*(StepKey(_ITEM.sub("", one)) for one in outer), StepKey(key))


def place_of(key: str) -> str:
    """Return the place in which a key stands: its scope's key, with the member if it has any; empty for the run."""
    return key.rpartition("/")[0]


def encoded_name(name: str) -> str:
    """Return a name with the characters that have a meaning in keys percent-encoded.

    Raises:
        ValueError: the name is empty.
    """
    if not name:
        raise ValueError("a step's name is empty; give it one")
    return _SPECIAL.sub(lambda found: f"%{ord(found.group()):02X}", name)


def last_name(key: str) -> str:
    """Return the name at the end of a key, without item and visit, decoded: the step's id in its document."""
    segment = re.sub(r"(#\d+|\[[^\[\]]*\])+$", "", key.rsplit("/", 1)[-1])
    return re.sub(r"%([0-9A-F]{2})", lambda found: chr(int(found.group(1), 16)), segment)


def rerun_option(key: str) -> str:
    """Return the words that have a step run again."""
    return f"--rerun={key}" if key.startswith("-") else f"--rerun {key}"
