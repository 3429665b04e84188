"""The runner of pages refuses what pages must not say: another output, another exit code."""

from __future__ import annotations

from pathlib import Path

import pytest

from pages.runner import Session, shown_in


@pytest.mark.parametrize(
    "shown",
    ["a\nb\nc\n", "…\nb\n…\n", "a\n…\n", "…\nc\n", "a\n…\nc\n", "…\n", "a\n…\nb\nc\n", "a\n  …\nc\n"],
)
def test_what_was_printed_may_be_shown_in_parts(shown: str) -> None:
    assert shown_in(shown, "a\nb\nc\n")


@pytest.mark.parametrize(
    "shown", ["a\nb\n", "b\nc\n", "a\nc\n", "…\nb\n", "b\n…\n", "…\nd\n…\n", "c\n…\na\n", "A\n…\n"]
)
def test_what_was_not_printed_so_is_not_shown(shown: str) -> None:
    assert not shown_in(shown, "a\nb\nc\n")


def test_ids_and_instants_differ_and_a_part_of_a_line_may_be_left_out() -> None:
    printed = '"run_id": "01M7Z8R43CTH1JMV8ZCCCKF0AY", "at": "2026-11-21T14:39:14.701203Z", "pid": 7\n'
    assert shown_in('"run_id": "01AAAAAAAAAAAAAAAAAAAAAAAA", "at": "2030-01-01T00:00:00Z", "pid": …\n', printed)
    assert not shown_in('"run_id": "01M7", "at": "2030-01-01T00:00:00Z", "pid": 7\n', printed)


PAGE = """\
<!-- file: told -->
```text
once
```

<!-- runs -->
```sh
mkdir -p inner && cp told inner && cd inner
export WORD=twice
```

<!-- runs -->
```sh
# a remark
cat told; echo "$WORD"
{end}
```

<!-- shows -->
```text
{shown}
```

<!-- runs: other -->
```sh
test -z "$WORD" && test ! -e inner/inner
```
"""


def play(folder: Path, **parts: str) -> Session:
    page = folder / "page.md"
    page.write_text(PAGE.format(**{"end": "true", "shown": "once\ntwice"} | parts), encoding="utf-8")
    session = Session(folder / "home")
    session.run(page)
    return session


def test_a_page_keeps_folder_and_variables_of_each_shell(tmp_path: Path) -> None:
    session = play(tmp_path)
    assert session.folder() == (tmp_path / "home" / "inner")
    assert session.folder("other") == tmp_path / "home"
    assert len(session.typed) == 5


@pytest.mark.parametrize("parts", [{"shown": "twice\nonce"}, {"end": "false"}, {"end": "true    # exit 3"}])
def test_a_page_that_is_wrong_is_found_out(tmp_path: Path, parts: dict[str, str]) -> None:
    with pytest.raises(AssertionError):
        play(tmp_path, **parts)


def test_an_exit_code_that_is_told_is_right(tmp_path: Path) -> None:
    play(tmp_path, end="(exit 40)    # exit 40: it waits")
