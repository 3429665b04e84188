"""Writes the generated pages of docs/reference from the code: its schemas, tables, parsers and docstrings."""

from __future__ import annotations

import argparse
import sys
from collections.abc import Callable, Mapping
from pathlib import Path

from reference_pages.commands import commands_page
from reference_pages.document import document_page
from reference_pages.envelope import envelope_page
from reference_pages.expressions import expressions_page
from reference_pages.failures import errors_page, exit_codes_page
from reference_pages.journal import journal_page
from reference_pages.session import ROOT
from reference_pages.settings import settings_page
from reference_pages.shell_places import shell_places_page

PAGES: Mapping[str, Callable[[], str]] = {
    "commands.md": commands_page,
    "document.md": document_page,
    "envelope.md": envelope_page,
    "errors.md": errors_page,
    "exit-codes.md": exit_codes_page,
    "expressions.md": expressions_page,
    "journal.md": journal_page,
    "settings.md": settings_page,
    "shell-places.md": shell_places_page,
}


def main(argv: list[str]) -> None:
    """Write the pages, into docs/reference unless told otherwise."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--into", type=Path, default=ROOT / "docs" / "reference", help="the folder to write to")
    folder = parser.parse_args(argv).into
    for name, write in PAGES.items():
        (folder / name).write_text(write(), encoding="utf-8", newline="\n")


if __name__ == "__main__":
    main(sys.argv[1:])
