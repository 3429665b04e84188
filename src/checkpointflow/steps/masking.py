"""Secrets kept out of what a call prints and gives: found exactly, in streams of any length; nothing is read here."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from checkpointflow.steps.spellings import spellings
from checkpointflow.values import JsonObject, JsonValue, dump

MASK = b"***"
SHORTEST = 6
"""A shorter secret would be found everywhere, and masking it would say what it is."""


class MaskedStream:
    """A stream in which `***` stands for every occurrence of a secret, however the stream is cut into pieces.

    Overlapping occurrences become one `***`. Memory is bounded by the longest secret. `names` are the secrets found.
    """

    def __init__(self, forms: Mapping[bytes, str]) -> None:
        self._forms = forms
        self._held = b""
        self._covered = 0
        self.names: set[str] = set()

    def feed(self, data: bytes) -> bytes:
        """Return what can be shown so far; what may be the beginning of a secret is held back."""
        data = self._held + data
        return self._shown(data, self._undecided_from(data))

    def rest(self, *, is_cut: bool = False) -> bytes:
        """Return what was held back: the stream has ended, or was cut off, and then `***` stands for half a secret."""
        held, covered = self._held, self._covered
        shown = self._shown(held, len(held))
        if is_cut and len(held) >= SHORTEST:
            return b"" if covered else MASK
        return shown

    def _shown(self, data: bytes, cut: int) -> bytes:
        """Return the data up to a cut, masked; `covered` is how much of it the last `***` stands for already."""
        shown = bytearray()
        covered = self._covered
        for start, end, name in sorted(self._occurrences(data)):
            if start >= cut:
                break
            self.names.add(name)
            if start >= covered:
                shown += data[covered:start] + MASK
            covered = max(covered, end)
        shown += data[covered:cut]
        self._held = data[cut:]
        self._covered = max(0, covered - cut)
        return bytes(shown)

    def _occurrences(self, data: bytes) -> Iterator[tuple[int, int, str]]:
        for form, name in self._forms.items():
            start = data.find(form)
            while start >= 0:
                yield start, start + len(form), name
                start = data.find(form, start + 1)

    def _undecided_from(self, data: bytes) -> int:
        """Return where the data begins to be what may go on as a secret."""
        return min((_beginning_of(form, data) for form in self._forms), default=len(data))


def _beginning_of(form: bytes, data: bytes) -> int:
    """Return where the end of the data begins to be a beginning of a form, its length if nowhere."""
    at = data.find(form[:1], max(0, len(data) - len(form) + 1))
    while at >= 0:
        if form.startswith(data[at:]):
            return at
        at = data.find(form[:1], at + 1)
    return len(data)


class Hidden:
    """The secrets of one call, by name; false if there are none.

    They are recognised as they are, and as JSON, addresses, Python's `repr` and a shell's `set -x` write them; in no
    other encoding.
    """

    def __init__(self, values: Mapping[str, str] | None = None) -> None:
        self._forms = {form: name for name, value in (values or {}).items() for form in _forms(value)}

    def __bool__(self) -> bool:
        return bool(self._forms)

    def stream(self) -> MaskedStream | None:
        """Return a new stream that is masked, None if there is nothing to mask."""
        return MaskedStream(self._forms) if self._forms else None

    def names_in(self, value: JsonValue) -> list[str]:
        """Return which secrets a value holds, in texts, names of fields and numbers."""
        stream = MaskedStream(self._forms)
        stream.feed(_bytes(dump(value)))
        stream.rest()
        return sorted(stream.names)

    def shows_in(self, text: str) -> bool:
        """Tell whether a text holds a secret."""
        return self.text(text) != text

    def text(self, text: str, *, is_cut: bool = False) -> str:
        """Return a text with `***` for every secret, also for half of one where the text was cut off."""
        stream = MaskedStream(self._forms)
        return (stream.feed(_bytes(text)) + stream.rest(is_cut=is_cut)).decode("utf-8", "surrogatepass")

    def masked(self, value: JsonValue) -> JsonValue:
        """Return a copy of a value with `***` for every secret; a number that holds one becomes text."""
        if isinstance(value, str):
            return self.text(value)
        if isinstance(value, dict):
            return self.masked_object(value)
        if isinstance(value, list):
            return [self.masked(item) for item in value]
        return self.text(dump(value)) if self.names_in(value) else value

    def masked_object(self, fields: JsonObject) -> JsonObject:
        """Return a copy of an object, masked like any value."""
        return {self.text(key): self.masked(item) for key, item in fields.items()}


def _forms(value: str) -> set[bytes]:
    return {_bytes(text) for text in spellings(value)}


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
