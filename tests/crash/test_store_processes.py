"""What holds when real processes use one store at once, die in the middle, or meet a disk that refuses."""

from __future__ import annotations

import json
import os
import random
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest

from checkpointflow.clock import SystemClock
from checkpointflow.errors import StoreUnavailable
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Store
from checkpointflow.stores import open_store
from checkpointflow.testing import samples as s
from postgres_server import await_deaths, empty

pytestmark = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")

SCRIPT = Path(__file__).with_name("store_process.py")
WIDTH = 3


def process(does: str, base: Path | str, *arguments: object) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, str(SCRIPT), does, str(base), *map(str, arguments)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def output_of(child: subprocess.Popen[str]) -> list[object]:
    out, err = child.communicate(timeout=60)
    assert not err
    return [json.loads(line) for line in out.splitlines()]


def all_at_once(children: list[subprocess.Popen[str]]) -> list[object]:
    """Let children go once all are ready, and return the last that each said."""
    for child in children:
        assert child.stdout
        assert child.stdout.readline() == '"ready"\n'
    return [output_of(child)[-1] for child in _gone(children)]


def _gone(children: list[subprocess.Popen[str]]) -> list[subprocess.Popen[str]]:
    for child in children:
        assert child.stdin
        child.stdin.write("\n")
        child.stdin.flush()
    return children


@pytest.fixture
def base(tmp_path: Path) -> Path:
    return tmp_path / "base"


@pytest.fixture
def store(base: Path) -> Iterator[Store]:
    store = open_store(base, clock=SystemClock())
    yield store
    store.close()


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, base: Path) -> str:
    """Where a store is that is empty: a folder, or a new database."""
    if request.param == "postgres":
        return str(request.getfixturevalue("database_url"))
    return str(base)


def seen_dead(place: str) -> None:
    """Wait until a database knows who is dead; a file system knows at once."""
    if "://" in place:
        await_deaths(place)


def test_forty_processes_start_runs_in_one_fresh_store(place: str, base: Path) -> None:
    ids = [f"run-{number:02}" for number in range(40)]
    assert all_at_once([process("start", place, run_id) for run_id in ids]) == ["done"] * 40
    store = open_store(place, clock=SystemClock())
    assert sorted(head.run_id for head in store.heads(statuses=["completed"])) == ids
    if place == str(base):
        assert list((base / "holders").iterdir()) == []
        assert store.notices == []  # type: ignore[attr-defined]
    store.close()


def test_of_twenty_processes_that_answer_one_wait_one_is_accepted_and_the_others_learn_whose(
    place: str,
) -> None:
    store = open_store(place, clock=SystemClock())
    s.begin(store, s.wait_opened())
    answers = all_at_once([process("answer", place, f"e{number}") for number in range(20)])
    (winner,) = store.pending(s.RUN)
    store.close()
    assert sorted(answer[0] for answer in answers) == ["accepted"] + ["answered"] * 19  # type: ignore[index]
    assert {(answer[1], answer[2]) for answer in answers} == {(winner.event_id, "bob")}  # type: ignore[index]


@pytest.mark.parametrize(("when", "number"), [("before", 1), ("after", 1), ("before", 2), ("after", 3)])
def test_a_process_killed_beside_a_commit_leaves_every_commit_whole(place: str, when: str, number: int) -> None:
    child = process("commit_and_die", place, when, number)
    output_of(child)
    assert child.returncode == -signal.SIGKILL
    store = open_store(place, clock=SystemClock())
    seen_dead(place)
    writes = number if when == "after" else number - 1
    expected = 1 + (writes - 1) * WIDTH if writes else 0
    assert len(store.entries(s.RUN)) == expected
    if writes:
        assert store.head(s.RUN).length == expected
        hold = store.acquire(s.RUN, store.holder(), at=s.at(1))
        assert store.commit(hold, expected, [s.completed()]).written
    store.close()


def test_a_process_killed_at_any_instant_leaves_the_last_commit_whole(place: str) -> None:
    chance = random.Random(4711)
    for number in range(4):
        if "://" in place:
            empty(place)
        else:
            place = f"{place}-{number}"
        child = process("commit_for_ever", place)
        assert child.stdout
        acknowledged = [int(child.stdout.readline()) for _ in range(chance.randrange(1, 30))][-1]
        child.kill()
        rest = child.stdout.read()  # `communicate` would lose what was read ahead with the lines before
        child.communicate(timeout=60)
        acknowledged = max([acknowledged, *(int(line) for line in rest.splitlines(keepends=True) if "\n" in line)])
        seen_dead(place)
        after = open_store(place, clock=SystemClock())
        length = after.head(s.RUN).length
        assert length in (acknowledged, acknowledged + WIDTH)
        assert len(after.entries(s.RUN)) == length
        info = after.holder_of(s.RUN)
        assert info
        assert not info.alive
        assert after.acquire(s.RUN, after.holder(), at=s.at(1)).epoch == 2
        after.close()


def test_a_full_disk_is_one_sentence_and_nothing_is_half_written(base: Path) -> None:
    (said,) = output_of(process("fill_the_disk", base))
    assert isinstance(said, dict)
    refusals = [refusal for refusal in said["unmade"] if refusal]
    assert len(refusals) >= 8
    for code, message in [*refusals, said["full"]]:
        assert code == "ERR_STORE_UNAVAILABLE"
        assert str(base) in message
        assert "free some space" in message
        assert "\n" not in message
    assert said["held"] == [said["acknowledged"]] * 2
    assert said["after"] is None
    assert said["length"] == said["acknowledged"] + 1
    assert "runs.db.new" not in said["left"]


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    place = tmp_path / "disk"
    place.mkdir()
    mount = ["mount", "-t", "tmpfs", "-o", "size=1m", "none", str(place)]
    if not shutil.which("mount") or subprocess.run(mount, capture_output=True, check=False).returncode:
        pytest.skip("only root may mount a small disk")
    yield place
    subprocess.run(["umount", str(place)], check=True)


def write_without_end(base: Path, lengths: list[int]) -> None:
    """Write until that is refused, with the length of the journal after each write."""
    store = open_store(base, clock=SystemClock())
    try:
        hold = s.begin(store)
        lengths.append(1)
        while len(lengths) < 500:
            store.commit(hold, lengths[-1], [s.step_completed(str(len(lengths)), "x" * 3000)])
            lengths.append(lengths[-1] + 1)
    finally:
        store.close()


@pytest.mark.parametrize("free_pages", [0, 3, 12, 24, 36, 40, 48, 70])
def test_a_disk_that_fills_up_at_any_step_leaves_a_sound_store(small_disk: Path, free_pages: int) -> None:
    base, ballast = small_disk / "base", small_disk / "ballast"
    disk = os.statvfs(small_disk)
    ballast.write_bytes(bytes((disk.f_bavail - free_pages) * disk.f_frsize))
    lengths: list[int] = []
    with pytest.raises(StoreUnavailable, match="free some space"):
        write_without_end(base, lengths)
    acknowledged = len(lengths)
    ballast.unlink()
    store = open_store(base, clock=SystemClock())
    assert [head.length for head in store.heads()] == ([acknowledged] if acknowledged else [])
    assert len(store.entries(s.RUN)) == acknowledged
    s.begin(store, run_id=RunId("run-2"))
    store.close()


@pytest.mark.parametrize("in_use", [False, True])
def test_a_store_that_may_only_be_read_is_read_and_writing_is_refused(in_use: bool) -> None:
    with TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        base = Path(name) / "base"
        store = open_store(base, clock=SystemClock())
        s.begin(store, s.step_started())
        if not in_use:
            store.close()
        for path in base.iterdir():
            path.chmod(0o555 if path.is_dir() else 0o444)
        base.chmod(0o555)
        *read, refused = output_of(process("read_only", base))
        assert read == [["read", 2, 2, 1]]
        assert isinstance(refused, list)
        code, message = refused[2]
        assert (code, refused[1]) == ("ERR_STORE_UNAVAILABLE", None)
        assert "writable" in message
        for path in (base, *base.iterdir()):
            path.chmod(0o700)
        assert store.deliver(s.message()).outcome == "kept"
        assert [message.event_id for message in store.messages(s.RUN)] == ["e1"]
        store.close()


def test_a_forked_child_does_not_keep_its_dead_parent_alive(place: str) -> None:
    store = open_store(place, clock=SystemClock())
    child = process("orphan", place)
    assert child.stdout
    assert child.stdin
    assert json.loads(child.stdout.readline()) == ["child", True, None]
    assert child.wait(timeout=60) == -signal.SIGKILL
    seen_dead(place)
    info = store.holder_of(s.RUN)
    assert info
    assert (info.pid, info.alive) == (child.pid, False)
    assert [message.event_id for message in store.messages(s.RUN)] == ["e1"]
    child.communicate("\n", timeout=60)
    store.close()
