"""Runs a page: its files are written, its commands typed, its shown outputs compared; what pages say is theirs.

Blocks are run in the order of the page, each by the comment right before it:

- `<!-- file: NAME -->`: the block is written to a file of the folder in which the page's shell stands.
- `<!-- runs -->`: the lines are typed into the page's shell; `<!-- runs: NAME -->`: into another, named one.
  A line ends with exit code 0 unless `# exit N` stands behind it.
- `<!-- shows -->`: what the block before it printed to stdout. A line that is `…` stands for any lines, a `…` in a
  line for any text. Ids, instants and the folder of the session are compared by what they are, not by their letters.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from dataclasses import dataclass, field
from pathlib import Path

from architecture.pages import Block, blocks

_EXIT = re.compile(r"#.*\bexit (\d+)\b[^#]*$")
_ID = re.compile(r"\b[0-9A-HJKMNP-TV-Z]{26}\b")
_INSTANT = re.compile(r"\b\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(\.\d+)?Z")
_MARK = re.compile(r"(file|runs|shows)(?:: (.+))?")
_TIMEOUT_SECONDS = 120


@dataclass
class Session:
    """A fresh home with shells in it, each with a folder and variables of its own, in which a page is run."""

    root: Path
    not_typed: frozenset[str] = frozenset()
    """Lines that a reader types and a test does not."""
    printed: str = ""
    """What the last block printed to stdout."""
    typed: list[str] = field(default_factory=list)

    def __post_init__(self) -> None:
        (self.root / "state").mkdir(parents=True)

    def run(self, page: Path) -> None:
        """Run a page from its first block to its last."""
        for block in blocks(page):
            marked = _MARK.fullmatch(block.mark)
            if marked is not None:
                self._run_block(block, marked[1], marked[2])

    def _run_block(self, block: Block, verb: str, name: str | None) -> None:
        if verb == "file":
            assert name
            (self.folder() / name).write_text(block.text, encoding="utf-8")
        elif verb == "runs":
            self.printed = self.type(block.text, shell=name or "first")
        else:
            assert shown_in(block.text, self._plain(self.printed)), (
                f"shown:\n{block.text}\nprinted:\n{self._plain(self.printed)}"
            )

    def folder(self, shell: str = "first") -> Path:
        """Return the folder in which a shell stands."""
        told = self.root / "state" / f"{shell}.cwd"
        return Path(told.read_text(encoding="utf-8").strip()) if told.exists() else self.root

    def type(self, text: str, *, shell: str = "first") -> str:
        """Type lines into a shell, check their exit codes and return what they printed to stdout."""
        state = self.root / "state" / shell
        lines = [line for line in text.splitlines() if line.strip() and not line.lstrip().startswith("#")]
        lines = [line for line in lines if line not in self.not_typed]
        codes = state.with_suffix(".codes")
        codes.write_text("", encoding="utf-8")
        steps = "".join(f'{line}\necho "$?" >> "{codes}"\n' for line in lines)
        begin = f'test ! -e "{state}.env" || . "{state}.env"\ncd "{self.folder(shell)}"\n'
        script = f'{begin}{steps}export -p > "{state}.env"\npwd > "{state}.cwd"\n'
        out, err = state.with_suffix(".out"), state.with_suffix(".err")
        with out.open("wb") as stdout, err.open("wb") as stderr:
            subprocess.run(
                ["sh", "-c", script],
                env=self._environment(),
                stdin=subprocess.DEVNULL,
                stdout=stdout,
                stderr=stderr,
                timeout=_TIMEOUT_SECONDS,
                check=False,
            )
        ended = [int(code) for code in codes.read_text(encoding="utf-8").split()]
        expected = [_expected(line) for line in lines]
        printed = out.read_text(encoding="utf-8")
        assert ended == expected, f"{lines}\n{printed}\n{err.read_text(encoding='utf-8')}"
        self.typed += lines
        return printed

    def _environment(self) -> dict[str, str]:
        """Return what the shells begin with: the `cpf` of this Python, no state but that of the session."""
        kept = {
            name: value for name, value in os.environ.items() if not name.startswith(("CPF_", "CHECKPOINT", "GIT_"))
        }
        path = f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}"
        return kept | {"HOME": str(self.root), "PATH": path, "CPF_DURABILITY": "process", "LC_ALL": "C.UTF-8"}

    def _plain(self, text: str) -> str:
        """Return text without what differs from one session to the next."""
        return text.replace(str(self.root.resolve()), "/home/you").replace(str(self.root), "/home/you")


def _expected(line: str) -> int:
    told = _EXIT.search(line)
    return int(told[1]) if told else 0


def shown_in(shown: str, printed: str) -> bool:
    """Tell whether a page's lines are what was printed, `…` standing for what was left out."""
    patterns = [_pattern(line) for line in _without_ids(shown).splitlines()]
    whole = "".join(r"(?:.*\n)*?" if line is None else f"{line}\n" for line in patterns)
    text = printed if printed.endswith("\n") else f"{printed}\n"
    return re.fullmatch(whole, _without_ids(text)) is not None


def _pattern(line: str) -> str | None:
    """Return a line as a pattern; None for one that stands for any lines."""
    if line.strip() == "…":
        return None
    return ".*".join(re.escape(part) for part in line.rstrip().split("…"))


def _without_ids(text: str) -> str:
    return _INSTANT.sub("INSTANT", _ID.sub("ID", text))
