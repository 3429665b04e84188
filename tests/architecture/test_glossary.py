"""The glossary has the words that the code uses, and no page uses those that it rules out."""

from __future__ import annotations

import re
from pathlib import Path
from typing import get_args, get_type_hints

import pytest

from architecture.pages import PAGES, ROOT, anchors, without_fences
from checkpointflow.cli.actions import DECISIONS
from checkpointflow.cli.door import COMMANDS
from checkpointflow.config import VARIABLES
from checkpointflow.frontends.definition import StepTraits
from checkpointflow.frontends.document.blocks import BLOCKS
from checkpointflow.frontends.document.schema import step_schema
from checkpointflow.frontends.document.specs import KINDS
from checkpointflow.kernel.entries import ENTRY_CLASSES
from checkpointflow.steps import KINDS as EFFECTS
from checkpointflow.views import STATUSES, WaitView

GLOSSARY = ROOT / "docs" / "glossary.md"
TEXT = GLOSSARY.read_text(encoding="utf-8")
PROSE = [page for page in PAGES if "adr" not in page.parts and page.name != "CHANGELOG.md"]


def section(word: str) -> str:
    """Return what the glossary says of a word."""
    found = re.search(rf"^### {word}\n\n(.+?)(?=^##|\Z)", TEXT, re.MULTILINE | re.DOTALL)
    assert found, f"the glossary has no word {word!r}"
    return found[1]


def code_in(text: str) -> set[str]:
    """Return the words in backticks."""
    return set(re.findall(r"`([^`]+)`", text))


def ruled_out() -> list[str]:
    """Return the words that the glossary says not to use."""
    return [word for listed in re.findall(r"\*Not\* ([a-z, ]+)\.", TEXT) for word in listed.split(", ")]


def test_the_words_of_the_house_rules_stand_in_it() -> None:
    rules = (ROOT / "AGENTS.md").read_text(encoding="utf-8").partition("## Words")[2]
    words = set(re.findall(r"\*([a-z]+)\*", rules)) - {"holder", "epoch"}
    assert len(words) > 15
    assert words <= anchors(GLOSSARY)
    assert "holder" in section("hold")
    assert "epoch" in section("hold")


def test_kinds_and_blocks_are_those_of_the_code() -> None:
    assert code_in(section("kind")) == {*EFFECTS}
    assert code_in(section("block")) == {*BLOCKS} == {*KINDS} - {*EFFECTS}


def test_statuses_waits_and_decisions_are_those_of_the_code() -> None:
    assert code_in(section("status")) == {*STATUSES}
    assert code_in(section("wait")) == {*get_args(get_type_hints(WaitView, localns={"StepTraits": StepTraits})["kind"])}
    assert code_in(section("doubt")) == {*DECISIONS}
    assert code_in(section("audience")) == {"user", "agent", "system"}


def test_whatever_stands_in_backticks_is_a_word_of_the_code() -> None:
    entries = {re.sub(r"(?<!^)(?=[A-Z])", "_", cls.__name__).lower() for cls in ENTRY_CLASSES}
    known = {*KINDS, *STATUSES, *DECISIONS, *entries, *VARIABLES, "user", "agent", "system", "once", "${…}"}
    known |= {"external_event", "timer", "in_doubt", "~/.checkpointflow"} | {f"cpf {name}" for name in COMMANDS}
    known |= {*step_schema("cli")["properties"]}  # type: ignore[misc]
    keys = {word for word in code_in(TEXT) if re.fullmatch(r"[a-z]+(\[\d+\]/[a-z]+|#\d+)", word)}
    assert code_in(TEXT) - keys - {"apply", "deploy", "draft"} <= known


def test_the_glossary_rules_words_out() -> None:
    assert {"job", "task", "pipeline"} <= set(ruled_out())


@pytest.mark.parametrize("page", [page for page in PROSE if page != GLOSSARY], ids=lambda path: path.name)
def test_no_page_uses_a_word_that_is_ruled_out(page: Path) -> None:
    prose = re.sub(r"`[^`]*`", "", without_fences(page))
    used = [word for word in ruled_out() if re.search(rf"\b{word}s?\b", prose, re.IGNORECASE)]
    assert used == []
