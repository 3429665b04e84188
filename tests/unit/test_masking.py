"""Secrets kept out of streams and values: wherever a stream is cut, whatever overlaps."""

from __future__ import annotations

import json
import os
import re
import subprocess
import traceback
from itertools import pairwise
from shutil import which
from urllib.parse import quote, quote_plus

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


ODD = ['say "hi"\\', "zwei\nzeilen", "Schlüssel", "a/b?c=d e", 'it\'s "so"\\', "that's all\x1b", "\u2028\U0001f600 <&>"]


def on_the_web(text: str) -> list[str]:
    """As JSON and addresses are written by other libraries."""
    written = json.dumps(text)[1:-1]
    return [
        written.replace("/", "\\/"),
        written.replace("<", "\\u003c").replace(">", "\\u003e").replace("&", "\\u0026"),
        quote(text, safe="!'()*~"),  # encodeURIComponent
        re.sub("%..", lambda found: found.group().lower(), quote(text, safe="")),
        quote_plus(text),
    ]


def shown_by_python(text: str) -> list[str]:
    quoted = [repr(one)[1:-1] for one in (text, f'{text}"', f"{text}'", f"{text}'\"")]
    return [*quoted, ascii(text)[1:-1], repr(text.encode())[2:-1]]


@pytest.mark.parametrize("secret", ODD)
def test_a_secret_is_known_as_json_addresses_python_and_shells_write_it(secret: str) -> None:
    hidden = Hidden({"s": secret})
    ours = [secret, json.dumps(secret), json.dumps(secret, ensure_ascii=False), quote(secret, safe="")]
    for form in (*ours, *on_the_web(secret), *shown_by_python(secret)):
        assert re.sub(r"\\?[<\"'>]", "", hidden.text(f"<{form}>")) == "***"
    assert hidden.names_in({"deep": [f"x{secret}y"]}) == ["s"]
    assert hidden.names_in({f"key {secret}": 1}) == ["s"]
    assert hidden.names_in({"deep": ["nothing"]}) == []


@pytest.mark.parametrize("secret", ODD)
def test_a_traceback_shows_no_secret_however_deep_it_is_in_groups(secret: str) -> None:
    error: Exception = KeyError(secret)
    for _ in range(9):
        error = ExceptionGroup("several", [ValueError(secret), error])
    shown = Hidden({"s": secret}).text("".join(traceback.format_exception(error)))
    assert shown.count("***") >= 9
    assert not any(secret[at : at + 5] in shown for at in range(len(secret) - 4))


@pytest.mark.skipif(not hasattr(os, "fork"), reason="needs sh")
@pytest.mark.parametrize("shell", [shell for shell in ("sh", "bash", "dash") if which(shell)])
@pytest.mark.parametrize("secret", ["it's so", 'say "hi" & go', "zwei\nzeilen 'so'"])
def test_a_shell_that_shows_what_it_does_shows_no_secret(shell: str, secret: str) -> None:
    command = [shell, "-c", 'set -x; : "$TOKEN" "Bearer $TOKEN"']
    shown = subprocess.run(command, env={"TOKEN": secret}, capture_output=True, text=True, check=True).stderr
    assert Hidden({"s": secret}).text(shown).count("***") == 2


def test_blanks_around_a_secret_do_not_matter() -> None:
    assert Hidden({"s": " with blanks\n"}).text("<with blanks>") == "<***>"
    assert Hidden({"s": "\n" * 6}).text("<\n\n>") == "<\n\n>"


def test_values_are_masked_in_texts_names_and_numbers() -> None:
    hidden = Hidden({"pin": "123456", "word": "wordword"})
    value = {"a wordword": ["x", "ywordwordz", 123456, 51234560, 12345, None, True, 1.5], "n": {"m": "123456"}}
    assert hidden.masked(value) == {"a ***": ["x", "y***z", "***", "5***0", 12345, None, True, 1.5], "n": {"m": "***"}}
    assert hidden.names_in(value) == ["pin", "word"]


def test_without_secrets_nothing_is_masked() -> None:
    assert not Hidden()
    assert Hidden().stream() is None
    assert Hidden().text("***text") == "***text"
