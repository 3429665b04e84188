"""A story of the examples in a folder of its own, where every command says that it ran; nothing dies here."""

from collections import Counter
from pathlib import Path

from checkpointflow.client import Client
from checkpointflow.records import replace
from examples.stories import settings
from postgres_server import empty

RUN = "crash-corpus"
WRAPPER = """#!/bin/sh
if [ -z "$CRASH_SEEN" ]; then CRASH_SEEN=1; export CRASH_SEEN; echo "$CPF_STEP_KEY $CPF_ATTEMPT" >> "$CRASH_LOG"; fi
exec {program} "$@"
"""

ANNOUNCING = """import os
if "CPF_STEP_KEY" in os.environ and os.environ.setdefault("CRASH_SEEN", "") != "1":
    os.environ["CRASH_SEEN"] = "1"
    with open(os.environ["CRASH_LOG"], "a") as log:
        print(os.environ["CPF_STEP_KEY"], os.environ["CPF_ATTEMPT"], file=log)
"""
"""What Python does first where it is found as `sitecustomize`: steps of kind `python` say that they ran."""


class StoryWorld:
    """One story in a folder of its own, where every command (no request) says that it ran."""

    def __init__(self, story, folder, store=None):
        self.story, self.folder = story, folder
        self.log = folder / "performed"
        programs = folder / "programs"
        programs.mkdir(parents=True)
        for name in ("sh", "rm"):
            (programs / name).write_text(WRAPPER.format(program=f"/bin/{name}"))
            (programs / name).chmod(0o700)
        if store is not None:
            empty(store)
            (folder / "store").write_text(store)
        (programs / "sitecustomize.py").write_text(ANNOUNCING)
        self.settings = settings_in(folder)
        story.prepare(Path(self.settings.cwd))

    def performed(self):
        """Return how often each attempt was performed."""
        return Counter(self.log.read_text().splitlines()) if self.log.exists() else Counter()

    def check(self, view):
        """Check that the run ended as the story says, and that nothing that had completed was performed again."""
        story = self.story
        assert (view.status, view.value, view.warnings) == (story.status, story.value, ())
        assert (view.error or {}).get("message") == story.message
        folder = Path(self.settings.cwd)
        assert {name: (folder / name).read_text() for name in story.files} == story.files
        performed = self.performed()
        assert not [attempt for attempt, times in performed.items() if times > 1]
        self._check_journal(set(performed))

    def _check_journal(self, performed):
        with Client(self.settings) as client:
            entries = client.inspect(RUN).entries
        begun, completed, silent = set(), set(), set()
        for entry in entries:
            if entry["entry"] == "step_started":
                silent |= {entry["key"]} if entry["kind"] != "cli" else set()
                assert entry["key"] not in completed
                begun.add(f"{entry['key']} {entry['attempt']}")
            elif entry["entry"] == "step_completed":
                assert entry["key"] not in completed
                completed.add(entry["key"])
                assert entry["key"] in silent or f"{entry['key']} {entry['attempt']}" in performed
        assert performed <= begun


def settings_in(folder):
    """Return the settings of a process that plays the story of a folder."""
    programs = folder / "programs"
    place = settings(folder, path=str(programs))
    if (folder / "store").exists():
        place = replace(place, store=(folder / "store").read_text())
    place.environment.update(CRASH_LOG=str(folder / "performed"), PYTHONPATH=str(programs))
    return place
