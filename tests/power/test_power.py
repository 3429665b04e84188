"""A power cut takes what was not synced: what `power` promises of a commit, and what `process` still does."""

import io
import json
import random
import sys
from collections.abc import Callable
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest
from platter import Platter, watched

from checkpointflow.cli import main
from checkpointflow.client import Client, place
from checkpointflow.clock import SystemClock
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Store
from checkpointflow.steps.base import output_paths
from checkpointflow.stores import open_store
from checkpointflow.testing import samples as s
from examples.stories import STORIES, go_on, settings

pytestmark = pytest.mark.skipif(sys.platform != "linux", reason="files are told apart by /proc and O_PATH")

FIRST_OF_EACH = list({story.file: story for story in reversed(STORIES)}.values())
WRITES = {
    "create",
    "acquire",
    "release",
    "commit",
    "answer",
    "deliver",
    "delete",
    "back_off",
    "forget_backoff",
    "enroll",
}


class TellingStore:
    """Does what another store does, and tells after each write."""

    def __init__(self, store: Store, told: Callable[[Store], None]) -> None:
        self._store = store
        self._told = told

    def __getattr__(self, name: str) -> object:
        method = getattr(self._store, name)
        return self._telling(method) if name in WRITES else method

    def _telling(self, method: Callable[..., object]) -> Callable[..., object]:
        def telling(*arguments: object, **options: object) -> object:
            answer = method(*arguments, **options)
            self._told(self._store)
            return answer

        return telling


class Cuts:
    """Power cuts of a folder, each of which leaves a copy of it somewhere else."""

    def __init__(self, platter: Platter, folder: Path) -> None:
        folder.mkdir()
        self._platter = platter
        self._folder = folder
        self.count = 0
        self.lost = 0

    def left(self, rng: random.Random | None = None) -> Path:
        self.count += 1
        return self._platter.left(self._folder / str(self.count), rng)

    def compare(self, store: Store, home: str, *, may_lose: bool, rng: random.Random | None = None) -> None:
        """Check that all that a store says is left, or else a beginning of each journal."""
        left = self.left(rng) / home
        with closing(open_store(left, clock=SystemClock(), durability="process")) as copy:
            for head in store.heads(limit=100):
                entries = store.entries(head.run_id)
                length = len(copy.entries(head.run_id))
                self.lost += length < len(entries)
                assert copy.entries(head.run_id) == (entries[:length] if may_lose else entries)
                if length == len(entries) and not may_lose:
                    assert copy.head(head.run_id) == head
                    assert copy.messages(head.run_id) == store.messages(head.run_id)
                    assert copy.waits(head.run_id) == store.waits(head.run_id)
                    assert copy.definition(head.definition) == store.definition(head.definition)
                    compare_outputs(left, Path(self._platter.root) / home, head.run_id, entries)


def compare_outputs(left: Path, home: Path, run_id: RunId, entries: list[e.AnyEntry]) -> None:
    """Check that what completed steps have printed is left."""
    for entry in entries:
        if isinstance(entry, e.StepCompleted):
            paths = (output_paths(folder / "runs", run_id, entry.key, entry.attempt) for folder in (left, home))
            for copy, original in zip(*paths, strict=True):
                printed = original.read_bytes() if original.exists() else b""
                assert not printed or copy.exists(), f"the output of `{entry.key}` is gone"
                assert not printed or copy.read_bytes() == printed


def play(story, folder, durability, told, monkeypatch):
    """Play a story; `told` hears of each write with the store."""
    where = replace(settings(folder), durability=durability)
    story.prepare(Path(where.cwd))
    open_real = place.open_store
    with monkeypatch.context() as patched:
        patched.setattr(place, "open_store", lambda *words, **more: TellingStore(open_real(*words, **more), told))
        with Client(where) as client:
            return go_on(client, client.run(story.load(), story.input), story.answers)


@pytest.mark.parametrize("story", FIRST_OF_EACH, ids=lambda story: story.name)
def test_power_keeps_every_commit_and_what_was_printed_before_it(story, tmp_path, monkeypatch):
    folder = tmp_path / "machine"
    (folder / "cwd").mkdir(parents=True)
    with watched(folder) as platter:
        cuts = Cuts(platter, tmp_path / "left")
        view = play(story, folder, "power", lambda store: cuts.compare(store, "home", may_lose=False), monkeypatch)
    assert (view.status, view.value) == (story.status, story.value)
    assert cuts.count >= 2


def test_process_may_lose_the_last_commits_and_breaks_nothing(tmp_path, monkeypatch):
    story = next(story for story in STORIES if story.name == "notes written")
    folder = tmp_path / "machine"
    (folder / "cwd").mkdir(parents=True)
    rng = random.Random(7)
    with watched(folder) as platter:
        cuts = Cuts(platter, tmp_path / "left")

        def told(store):
            cuts.compare(store, "home", may_lose=True, rng=rng if rng.random() < 0.5 else None)

        play(story, folder, "process", told, monkeypatch)
    assert cuts.lost > 0  # else the check above could not fail under `power`


@pytest.mark.parametrize("durability", ["power", "process"])
def test_at_no_moment_of_many_commits_does_a_power_cut_break_the_store(durability, tmp_path):
    """The log is long enough to be brought into the database; cuts come in the middle of commits, and tear them."""
    folder = tmp_path / "machine"
    folder.mkdir()
    rng = random.Random(3)
    acknowledged = 0
    with watched(folder) as platter:
        cuts = Cuts(platter, tmp_path / "left")

        def cut():
            if rng.random() < 0.008:
                with closing(open_store(cuts.left(rng) / "home", clock=SystemClock(), durability="process")) as copy:
                    entries = copy.entries(s.RUN)
                assert entries == written[: len(entries)]
                assert durability == "process" or len(entries) >= acknowledged

        written = [s.started()]
        store = open_store(folder / "home", clock=SystemClock(), durability=durability)
        hold = s.begin(store)
        acknowledged = 1
        platter.happened = cut
        for number in range(30):
            batch = [s.step_completed(f"{number}.{part}", rng.randbytes(25_000).hex()) for part in range(3)]
            written += batch
            store.commit(hold, acknowledged, batch)
            acknowledged += 3
        platter.happened = lambda: None
        database = (folder / "home" / "runs.db").stat().st_size
        store.close()
    assert cuts.count > 10
    assert database > 1_000_000  # the log was brought into it on the way


def test_at_no_moment_of_its_making_does_a_power_cut_leave_half_a_store(tmp_path):
    folder = tmp_path / "machine"
    folder.mkdir()
    rng = random.Random(5)
    with watched(folder) as platter:
        cuts = Cuts(platter, tmp_path / "left")

        def cut():
            for chance in (None, rng):
                with closing(open_store(cuts.left(chance) / "home", clock=SystemClock(), durability="process")) as copy:
                    assert copy.heads() == []

        platter.happened = cut
        store = open_store(folder / "home", clock=SystemClock(), durability="power")
        platter.happened = lambda: None
        cut()
        store.close()
    assert cuts.count > 10


WAITING = """
schema_version: checkpointflow/v1
workflow:
  id: waiting
  inputs: {type: object}
  steps:
    - {id: first, kind: cli, command: "printf here", parse: text}
    - {id: ask, kind: await_event, audience: user, event_name: go, input_schema: {type: object}}
    - {id: big, kind: cli, command: "head -c 100000 /dev/zero | tr '\\\\0' x", parse: text}
    - {id: end, kind: end, result: {size: "${size(steps.big.outputs)}"}}
"""


def test_what_a_command_has_said_survives_a_power_cut(tmp_path, monkeypatch):
    folder = tmp_path / "machine"
    folder.mkdir()
    monkeypatch.chdir(tmp_path)
    (tmp_path / "flow.yaml").write_text(WAITING)
    run = ["--run-id", "power-run"]
    with watched(folder) as platter:
        cuts = Cuts(platter, tmp_path / "left")

        def cpf(home, *words):
            monkeypatch.setattr(sys, "stdout", stdout := io.StringIO())
            monkeypatch.setenv("CPF_HOME", str(home))
            monkeypatch.setenv("CPF_DURABILITY", "power")
            main([*words, "--quiet"])
            return json.loads(stdout.getvalue())

        for words in (
            ["run", "-f", "flow.yaml", *run],
            ["send", *run, "--event", "early", "--input", "{}"],
            ["resume", *run, "--event", "go", "--no-follow"],
            ["resume", *run],
            ["fork", *run, "--at", "end", "--new-run-id", "forked-run"],
            ["import", "run.cpfrun", "--copy"],
        ):
            if words[0] == "import":
                cpf(folder / "home", "export", *run, "--output", "run.cpfrun")
            said = cpf(folder / "home", *words)
            left = cpf(cuts.left() / "home", "status", "--run-id", said["run_id"])
            for name in ("status", "result", "updated_at", "wait"):
                assert left.get(name) == said.get(name), words
            with closing(open_store(folder / "home", clock=SystemClock())) as store:
                cuts.compare(store, "home", may_lose=False)
    assert said["result"] == {"size": 100_000}
