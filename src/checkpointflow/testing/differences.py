"""What was expected and what came, held against each other value by value, and told in lines; nothing is run here."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from enum import Enum
from typing import TypeAlias

from checkpointflow.records import dataclass
from checkpointflow.schemas import show
from checkpointflow.values import JsonObject, JsonValue


class Absent(Enum):
    """Stands for a value that is not there, which null is not."""

    ABSENT = "nothing"


ABSENT = Absent.ABSENT
Maybe: TypeAlias = "JsonValue | Absent"


@dataclass(frozen=True, slots=True)
class Difference:
    """One thing that is not as it should be: where, what was expected, what came, and what there is to say of it."""

    about: str
    expected: Maybe = ABSENT
    actual: Maybe = ABSENT
    message: str = ""

    def as_json(self) -> JsonObject:
        """Return it as an envelope shows it; what is absent is left out."""
        shown: JsonObject = {"about": self.about}
        for name, value in (("expected", self.expected), ("actual", self.actual)):
            if not isinstance(value, Absent):
                shown[name] = value
        return shown | ({"message": self.message} if self.message else {})

    def lines(self) -> list[str]:
        """Return it for people; long texts and lists line by line, with `-` what was expected and `+` what came."""
        if isinstance(self.expected, Absent) and isinstance(self.actual, Absent):
            return [f"{self.about}: {self.message}"]
        because = f" ({self.message})" if self.message else ""
        expected, actual = _lines_of(self.expected), _lines_of(self.actual)
        if expected is None or actual is None:
            return [f"{self.about}: expected {_shown(self.expected)}, was {_shown(self.actual)}{because}"]
        from difflib import ndiff

        marked = [line.rstrip("\n") for line in ndiff(expected, actual) if not line.startswith("?")]
        return [f"{self.about}: - expected, + was{because}", *(f"  {line}" for line in marked)]


def differences(about: str, expected: Maybe, actual: Maybe) -> Iterator[Difference]:
    """Yield where two values differ, as deep inside as can be told; numbers are equal as numbers."""
    if isinstance(expected, dict) and isinstance(actual, dict):
        for name in dict.fromkeys([*expected, *actual]):
            yield from differences(f"{about}.{name}", expected.get(name, ABSENT), actual.get(name, ABSENT))
    elif isinstance(expected, list) and isinstance(actual, list) and len(expected) == len(actual):
        for index, (one, other) in enumerate(zip(expected, actual, strict=True)):
            yield from differences(f"{about}[{index}]", one, other)
    elif not _is_same(expected, actual):
        yield Difference(about, expected, actual)


def _is_same(expected: Maybe, actual: Maybe) -> bool:
    return isinstance(expected, bool) == isinstance(actual, bool) and expected == actual


def _shown(value: Maybe) -> str:
    return value.value if isinstance(value, Absent) else show(value)


def _lines_of(value: Maybe) -> Sequence[str] | None:
    """Return the lines of what is better compared line by line: a text of several, a list of texts."""
    if isinstance(value, str) and "\n" in value.rstrip("\n"):
        return value.splitlines(keepends=True)
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return [str(item) for item in value]
    return None
