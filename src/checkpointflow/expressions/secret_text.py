"""Texts in which secrets still have to be put: placeholders that are told from look-alikes by where they are from."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from checkpointflow.records import dataclass, replace
from checkpointflow.values import JsonObject

Encoding: TypeAlias = Literal["text", "percent"]


@dataclass(frozen=True, slots=True)
class Mark:
    """A secret's place in a text: where its placeholder begins, in characters, and how its value is to be written."""

    offset: int
    name: str
    encoding: Encoding = "text"

    def as_json(self) -> JsonObject:
        """Return the mark as a call's arguments keep it."""
        shown: JsonObject = {"offset": self.offset, "name": self.name}
        return shown | ({"encoding": self.encoding} if self.encoding != "text" else {})


class SecretText(str):
    """A text with placeholders (`${secrets.NAME}`) at the offsets of its `marks`; the secrets themselves are not here.

    Only marks are ever filled in, and only the document's own `${secrets.NAME}` makes one: the same characters in a
    value are text. Whatever takes a SecretText apart or changes it gets a plain text, whose placeholders stay what they
    look like. So a mistake shows, and gives nothing away.
    """

    __slots__ = ("marks",)
    marks: tuple[Mark, ...]

    def __new__(cls, text: str, marks: Iterable[Mark] = ()) -> SecretText:
        """Return the text with these marks."""
        made = super().__new__(cls, text)
        made.marks = tuple(marks)
        return made

    @classmethod
    def placeholder(cls, name: str) -> SecretText:
        """Return the text that stands for one secret."""
        return cls(placeholder(name), [Mark(0, name)])

    def percent_encoded(self) -> SecretText:
        """Return the same text, whose secrets are to be written percent-encoded; other characters stay as they are."""
        return SecretText(self, [replace(mark, encoding="percent") for mark in self.marks])


def placeholder(name: str) -> str:
    """Return the characters that stand for a secret."""
    return f"${{secrets.{name}}}"


def joined(pieces: Iterable[str]) -> str:
    """Return the pieces as one text, which keeps the marks of those that are SecretTexts."""
    texts = list(pieces)
    whole = "".join(texts)
    marks: list[Mark] = []
    at = 0
    for text in texts:
        if isinstance(text, SecretText):
            marks += [replace(mark, offset=at + mark.offset) for mark in text.marks]
        at += len(text)
    return SecretText(whole, marks) if marks else whole
