"""Plays a story in this process, which may kill itself: `python story_process.py FOLDER STORY [before|after NUMBER]`.

The story is given as JSON. The process ends with SIGKILL right before or after its NUMBERth write to the store, or with
a line of JSON that tells how the run ended and how many writes there were.
"""

import json
import os
import signal
import sys
from pathlib import Path

from story_worlds import RUN, settings_in

from checkpointflow.client import Client, place
from checkpointflow.frontends.document.loader import load_file
from checkpointflow.testing import CrashingStore
from examples.stories import EXAMPLES, go_on


class KillingStore(CrashingStore):
    """Kills its process at the chosen write."""

    def _crash(self, when):
        os.kill(os.getpid(), signal.SIGKILL)


def play(folder, story, **death):
    """Start the story's run, or go on with it, to its end."""
    stores = []
    open_store = place.open_store

    def opened(*arguments, **options):
        stores.append(KillingStore(open_store(*arguments, **options), **death))
        return stores[0]

    place.open_store = opened
    with Client(settings_in(folder)) as client:
        loaded = load_file(EXAMPLES / story["file"], cwd="/")
        view = go_on(client, client.run(loaded, story["input"], run_id=RUN), story["answers"])
    told = {"status": view.status, "value": view.value, "warnings": view.warnings, "error": view.error}
    sys.stdout.write(json.dumps({**told, "writes": stores[0].writes}) + "\n")


if __name__ == "__main__":
    play(Path(sys.argv[1]), json.loads(sys.argv[2]), **({sys.argv[3]: int(sys.argv[4])} if sys.argv[3:] else {}))
