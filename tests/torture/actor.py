"""A process that makes moves through a Client: `python -m torture.actor NAME SEED FOLDER HOME MOVES`."""

from __future__ import annotations

import random
import sys
from pathlib import Path

from checkpointflow.client import Client
from checkpointflow.config import load_settings
from torture.documents import Written
from torture.moves import Chooser, perform


def documents_in(folder: Path) -> list[Written]:
    """Return the documents that were written into a folder."""
    edits = sorted(folder.glob("*-edited.yaml"))
    return [Written(file=one.with_name(one.name.replace("-edited", "")), edited=one) for one in edits]


def act(name: str, seed: str, folder: str, home: str, count: int) -> None:
    """Make so many moves, and print a report of each."""
    settings = load_settings()
    with Client(settings) as client:
        chooser = Chooser(name, random.Random(seed), client, documents_in(Path(folder)), home=home)
        for _ in range(count):
            sys.stdout.write(perform(client, settings, chooser.next()).as_json() + "\n")
            sys.stdout.flush()


if __name__ == "__main__":
    act(*sys.argv[1:5], int(sys.argv[5]))
