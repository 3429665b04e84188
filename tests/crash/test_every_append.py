"""Every write of every way through the examples is a crash point: going on gives what an unbroken run gives."""

import threading
from dataclasses import replace
from pathlib import Path

import pytest
from story_worlds import RUN, StoryWorld

from checkpointflow.client import Client, place
from checkpointflow.testing import Crash, CrashingStore
from examples.stories import STORIES, go_on

SPARE = 2
"""So many commits fewer may do when commands that run beside each other end at the same moment."""


class DyingStore(CrashingStore):
    """Dies when the commands that were begun by then have ended, so that none of them is spared its effect."""

    def commit(self, *arguments, **options):
        try:
            return super().commit(*arguments, **options)
        except Crash:
            for thread in threading.enumerate():
                while thread.is_alive() and thread.name.startswith("step "):
                    thread.join(0.01)  # a thread that is free goes on, under another name
            raise


class World(StoryWorld):
    """A story whose process dies at a chosen write, as far as the store is concerned."""

    def __init__(self, story, folder, monkeypatch):
        super().__init__(story, folder)
        self.loaded = story.load()
        self._monkeypatch = monkeypatch

    def tell(self, client):
        """Start the story's run, or go on with it, to its end."""
        return go_on(client, client.run(self.loaded, self.story.input, run_id=RUN), self.story.answers)

    def play(self, act=None, **crash):
        """Act, or play the story, in one process that may die; return the run, or None, and how many writes began."""
        opened = []

        def open_store(*arguments, **options):
            opened.append(DyingStore(place_open_store(*arguments, **options), **crash))
            return opened[0]

        with self._monkeypatch.context() as patched:
            patched.setattr(place, "open_store", open_store)
            with Client(self.settings) as client:
                try:
                    return (act or self.tell)(client), opened[0].writes
                except Crash:
                    return None, opened[0].writes


place_open_store = place.open_store


def called(name):
    return next(story for story in STORIES if story.name == name)


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("story", STORIES, ids=lambda story: story.name)
def test_a_crash_at_any_write_changes_nothing_about_the_outcome(story, when, tmp_path, monkeypatch):
    unbroken = World(story, tmp_path / "unbroken", monkeypatch)
    view, writes = unbroken.play()
    unbroken.check(view)
    assert writes >= 2
    for number in range(1, writes + 1):
        world = World(story, tmp_path / str(number), monkeypatch)
        view, begun = world.play(**{when: number})
        assert begun == number if view is None else number > writes - SPARE  # it really died there
        if view is None and when == "after":
            view, _ = world.play(before=2 + number % 4)  # dies once more on the way back
        world.check(view or world.play()[0])


@pytest.mark.parametrize("when", ["before", "after"])
@pytest.mark.parametrize("name", ["notes written", "folders approved", "signed", "deployed everywhere"])
def test_a_crash_at_any_write_of_a_cancellation_leaves_it_to_be_done(name, when, tmp_path, monkeypatch):
    story = called(name)

    def begin(client):
        return client.run(world.loaded, story.input, run_id=RUN)

    def cancel(client):
        return client.cancel(RUN, reason="no need")

    writes = 0
    for number in range(20):
        world = World(story, tmp_path / str(number), monkeypatch)
        assert world.play(begin)[0].status == "waiting"
        view, writes = world.play(cancel, **({when: number} if number else {}))
        if view is None:
            with Client(world.settings) as client:
                view = client.get(RUN)
                if (when, number) == ("before", 1):  # the request has not reached the inbox
                    assert view.status == "waiting"
                    view = cancel(client)
                elif view.status != "cancelled":
                    view = client.resume(RUN).run
        assert (view.status, view.exit_code, view.waits) == ("cancelled", 50, ())
        with Client(world.settings) as client:
            assert client.waits() == []
            ends = [entry for entry in client.inspect(RUN).entries if entry["entry"] == "run_cancelled"]
        assert [(end["actor"], end["reason"]) for end in ends] == [("ann", "no need")]
        if number and writes < number:
            break
    assert writes >= 3


@pytest.mark.parametrize("when", ["before", "after"])
def test_a_crash_at_any_write_of_a_retry_leaves_a_run_that_completes(when, tmp_path, monkeypatch):
    story = replace(called("notes written"), input={"output": "later/my notes.md"}, files={}, value={
        "result": {"status": "written", "path": "later/my notes.md"}})  # fmt: skip

    def retry(client):
        return client.retry(RUN) if client.get(RUN).status == "failed" else client.resume(RUN).run

    writes = 0
    for number in range(20):
        world = World(story, tmp_path / str(number), monkeypatch)
        assert world.play()[0].status == "failed"
        (Path(world.settings.cwd) / "later").mkdir()
        view, writes = world.play(retry, **({when: number} if number else {}))
        if view is None and world.play(lambda client: client.get(RUN))[0].status != "completed":
            view, _ = world.play(retry)
        with Client(world.settings) as client:
            assert (client.get(RUN).status, client.get(RUN).value) == ("completed", story.value)
        assert (Path(world.settings.cwd) / "later" / "my notes.md").read_text().startswith("# Release notes\n")
        if number and writes < number:
            break
    assert writes >= 3


def test_a_run_that_was_forked_right_before_a_crash_has_the_output_that_it_shares(tmp_path, monkeypatch):
    world = World(called("notes rejected"), tmp_path, monkeypatch)
    world.check(world.play()[0])
    assert world.play(lambda client: client.fork(RUN, at="review", new_id="forked-run"), after=1)[0] is None
    with Client(world.settings) as client:
        shared = [[path.read_text() for _, path in client.logs(run)] for run in (RUN, "forked-run")]
        assert shared[0][: len(shared[1])] == shared[1] != []
        assert client.resume("forked-run").run.status == "waiting"
