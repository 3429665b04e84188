"""A real process is killed right before or after any of its writes: a fresh one goes on as if nothing had been.

Of every example one way is tried, at two of its writes; `just crash` tries all ways at all of their writes.
"""

import json
import os
import signal
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from zlib import crc32

import pytest
from story_worlds import StoryWorld

from examples.stories import STORIES

pytestmark = pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="orphans are found in /proc")

IS_FULL = os.environ.get("CPF_EVERY_COMMIT") == "1"
SPARE = 2
"""So many writes fewer may do when commands that run beside each other end at the same moment."""
SCRIPT = Path(__file__).with_name("story_process.py")
FIRST_OF_EACH = list({story.file: story for story in reversed(STORIES)}.values())


def played(world, *death):
    """Play a story in a process of its own; return what it said, None if it killed itself."""
    story = world.story
    told = json.dumps({"file": story.file, "input": story.input, "answers": dict(story.answers)})
    process = subprocess.run(
        [sys.executable, str(SCRIPT), str(world.folder), told, *map(str, death)],
        env={**os.environ, "PYTHONPATH": str(SCRIPT.parents[1])},
        capture_output=True,
        text=True,
    )
    if process.returncode == -signal.SIGKILL:
        return None
    assert process.returncode == 0, process.stderr
    return SimpleNamespace(**{**json.loads(process.stdout), "warnings": ()})


@pytest.fixture(params=["sqlite", "postgres"])
def store(request):
    """The URL of a shared store, None for a file."""
    return request.getfixturevalue("postgres_url") if request.param == "postgres" else None


def unbroken(story, folder, store):
    """Return how an unbroken run ends, which steps it performs, and how many writes it takes."""
    world = StoryWorld(story, folder, store)
    view = played(world)
    world.check(view)
    return view, keys_of(world), view.writes


def keys_of(world):
    return {line.rpartition(" ")[0] for line in world.performed()}


def numbers(story, when, writes):
    """Return the writes at which the process of a story is killed."""
    return range(1, writes + 1) if IS_FULL else [1 + crc32(f"{story.name} {when}".encode()) % writes]


@pytest.mark.parametrize("story", STORIES if IS_FULL else FIRST_OF_EACH, ids=lambda story: story.name)
def test_a_process_killed_at_any_write_is_as_if_it_had_not_been(story, store, tmp_path):
    view, keys, writes = unbroken(story, tmp_path / "unbroken", store)
    for when in ("before", "after"):
        for number in numbers(story, when, writes):
            world = StoryWorld(story, tmp_path / f"{when}-{number}", store)
            survivor = played(world, when, number)
            assert survivor is None or number > survivor.writes >= writes - SPARE, "it was not killed there"
            again = survivor or played(world)
            world.check(again)
            assert (again.status, again.value, again.error) == (view.status, view.value, view.error)
            assert keys_of(world) == keys
