"""The pages of the project as the tests read them: fenced blocks, links, headings; nothing is checked here."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PAGES = sorted([*ROOT.glob("*.md"), *(p for name in ("docs", "examples") for p in (ROOT / name).rglob("*.md"))])

_FENCE = re.compile(
    r"(?:^<!-- (?P<mark>[^\n]+?) -->\n)?^```(?P<language>\w*)\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL
)
_LINK = re.compile(r"(?<!!)\[[^\]\n]*\]\((?P<target>[^)\s]+)\)")
_CODE = re.compile(r"`[^`\n]*`")


@dataclass(frozen=True)
class Block:
    """One fenced block: the comment right before it, its language, its text."""

    mark: str
    language: str
    text: str


def blocks(page: Path) -> list[Block]:
    """Return a page's fenced blocks."""
    found = _FENCE.finditer(page.read_text(encoding="utf-8"))
    return [Block(one["mark"] or "", one["language"], one["text"]) for one in found]


def marked(page: Path, mark: str) -> list[str]:
    """Return the texts of a page's blocks with a mark; there is at least one."""
    found = [block.text for block in blocks(page) if block.mark == mark]
    assert found, f"{page.name} has no block marked `{mark}`"
    return found


def without_fences(page: Path) -> str:
    """Return a page's text without its fenced blocks."""
    return _FENCE.sub("", page.read_text(encoding="utf-8"))


def links(page: Path) -> list[str]:
    """Return the targets of a page's links, those to other sites left out."""
    found = _LINK.finditer(_CODE.sub("code", without_fences(page)))
    return [one["target"] for one in found if "://" not in one["target"]]


def anchors(page: Path) -> set[str]:
    """Return what a `#` can name on a page, as GitHub makes it of headings."""
    headings = re.findall(r"^#+ (.+)$", without_fences(page), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-") for heading in headings}
