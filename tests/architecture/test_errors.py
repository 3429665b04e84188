"""The tree of errors: codes tell classes apart, and exit codes are those of the table."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator

import pytest

from architecture.pages import ROOT
from checkpointflow.errors import CheckpointflowError, CommandInterruptedError, InternalError, exit_code_of

EXIT_CODES = {10, 20, 30, 60, 70, 80, 90}
SHOWN = (ROOT / "docs" / "reference" / "errors.md").read_text(encoding="utf-8")


def below(root: type[CheckpointflowError]) -> Iterator[type[CheckpointflowError]]:
    for cls in root.__subclasses__():
        if cls.__module__.startswith("checkpointflow."):
            yield cls
            yield from below(cls)


CLASSES = [*below(CheckpointflowError)]


def test_no_two_classes_share_a_code() -> None:
    own = [cls for cls in (CheckpointflowError, *CLASSES) if "code" in vars(cls)]
    counts = Counter(cls.code for cls in own)
    assert [code for code, count in counts.items() if count > 1] == []
    assert {cls for cls in CLASSES if cls not in own} == {InternalError}


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_has_a_code_and_an_exit_code_of_the_table(cls: type[CheckpointflowError]) -> None:
    assert re.fullmatch(r"ERR_[A-Z]+(_[A-Z]+)*", cls.code)
    is_interruption = cls is CommandInterruptedError
    assert cls.exit_code in ({130} if is_interruption else EXIT_CODES)


@pytest.mark.parametrize("cls", CLASSES)
def test_a_class_keeps_the_exit_code_of_its_parent(cls: type[CheckpointflowError]) -> None:
    parent = cls.__bases__[0]
    assert parent is CheckpointflowError or cls.exit_code == parent.exit_code


@pytest.mark.parametrize("cls", CLASSES)
def test_a_recorded_code_gives_its_exit_code_again(cls: type[CheckpointflowError]) -> None:
    assert exit_code_of(cls.code) == cls.exit_code


@pytest.mark.parametrize("cls", CLASSES)
def test_every_code_stands_on_the_page_under_its_exit_code(cls: type[CheckpointflowError]) -> None:
    section = re.search(rf"^## {cls.exit_code}: .+?(?=^## |\Z)", SHOWN, re.MULTILINE | re.DOTALL)
    assert section
    assert f"\n### {cls.code}\n" in section.group()
    assert f"`{cls.__name__}`" in section.group()


@pytest.mark.parametrize("cls", CLASSES)
def test_every_class_says_when_it_is_raised_and_what_to_do(cls: type[CheckpointflowError]) -> None:
    when, remedy = (cls.__doc__ or "").split("\n\n")
    assert when.strip()
    assert remedy.strip()


def test_the_readme_names_every_exit_code() -> None:
    shown = {int(code) for code in re.findall(r"^\| (\d+) \|", (ROOT / "README.md").read_text("utf-8"), re.MULTILINE)}
    assert shown == EXIT_CODES | {0, 40, 50, 130}
