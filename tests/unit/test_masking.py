"""Secrets kept out of streams and values: wherever a stream is cut, whatever overlaps."""

from __future__ import annotations

import json
from itertools import pairwise
from urllib.parse import quote

import pytest
from hypothesis import given
from hypothesis import strategies as st

from checkpointflow.steps.masking import Hidden, MaskedStream

LETTERS = st.text("ab", min_size=6, max_size=9)


def masked(stream: MaskedStream, pieces: list[bytes]) -> bytes:
    return b"".join([*map(stream.feed, pieces), stream.rest()])


def naive(data: bytes, forms: list[bytes]) -> bytes:
    """Mark every byte of every occurrence; each run of overlapping occurrences becomes one `***`."""
    spans = sorted((at, at + len(form)) for form in forms for at in range(len(data)) if data.startswith(form, at))
    shown, end = b"", 0
    for start, stop in spans:
        if start >= end:
            shown += data[end:start] + b"***"
        end = max(end, stop)
    return shown + data[end:]


@given(
    secrets=st.lists(LETTERS, min_size=1, max_size=3), text=st.text("ab", max_size=60), cuts=st.sets(st.integers(0, 60))
)
def test_a_stream_is_masked_the_same_however_it_is_cut(secrets: list[str], text: str, cuts: set[int]) -> None:
    forms = [secret.encode() for secret in secrets]
    data = text.encode()
    ends = [0, *sorted(cut for cut in cuts if cut < len(data)), len(data)]
    pieces = [data[start:end] for start, end in pairwise(ends)]
    shown = masked(MaskedStream({form: form.decode() for form in forms}), pieces)
    assert shown == naive(data, forms)
    assert not any(form in shown for form in forms)


def test_a_stream_holds_back_only_what_may_become_a_secret() -> None:
    stream = MaskedStream({b"secret-1": "a", b"secret-22": "b"})
    assert stream.feed(b"x" * 1_000_000) == b"x" * 1_000_000
    assert stream.feed(b"the secret") == b"the "
    assert stream.feed(b"ary") == b"secretary"
    assert stream.feed(b"secret-2") == b""
    assert stream.rest() == b"secret-2"
    assert stream.names == set()


def test_a_longer_secret_is_masked_whole_where_a_shorter_one_begins_it() -> None:
    stream = MaskedStream({b"secret": "short", b"secret-long": "long"})
    assert masked(stream, [b"[secret", b"-lo", b"ng] [secret-l", b"]"]) == b"[***] [***-l]"
    assert stream.names == {"short", "long"}


def test_an_endless_overlap_takes_no_memory() -> None:
    stream = MaskedStream({b"aaaaaa": "a"})
    shown = b"".join(stream.feed(b"a" * 1000) for _ in range(100))
    assert shown + stream.rest() == b"***"
    assert len(stream._held) < 6


@pytest.mark.parametrize("secret", ['say "hi"\\', "zwei\nzeilen", "Schlüssel", "a/b?c=d e"])
def test_a_secret_is_known_in_the_forms_that_we_give_it_ourselves(secret: str) -> None:
    hidden = Hidden({"s": secret})
    for form in (secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), quote(secret, safe="")):
        assert hidden.text(f"<{form}>").strip('<">') == "***"
    assert hidden.names_in({"deep": [f"x{secret}y"]}) == ["s"]
    assert hidden.names_in({f"key {secret}": 1}) == ["s"]
    assert hidden.names_in({"deep": ["nothing"]}) == []


def test_values_are_masked_in_texts_names_and_numbers() -> None:
    hidden = Hidden({"pin": "123456", "word": "wordword"})
    value = {"a wordword": ["x", "ywordwordz", 123456, 51234560, 12345, None, True, 1.5], "n": {"m": "123456"}}
    assert hidden.masked(value) == {"a ***": ["x", "y***z", "***", "5***0", 12345, None, True, 1.5], "n": {"m": "***"}}
    assert hidden.names_in(value) == ["pin", "word"]


def test_without_secrets_nothing_is_masked() -> None:
    assert not Hidden()
    assert Hidden().stream() is None
    assert Hidden().text("***text") == "***text"
