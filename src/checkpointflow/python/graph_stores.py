"""Where a graph's engine keeps its snapshots: in memory or as files; what they mean is the engine's."""

from __future__ import annotations

import json
import os
import re
import threading
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Protocol

from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import new_event_id
from checkpointflow.python.graph_events import Event
from checkpointflow.python.graph_snapshots import RunMetadata, RunSnapshot, entry_dict, entry_of
from checkpointflow.values import JsonValue, dump

_RUN_ID = re.compile(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,63}")


class WorkflowStore(Protocol):
    """Keeps snapshots and events of runs; each method may raise OSError."""

    def save_snapshot(self, snapshot: RunSnapshot) -> None:
        """Keep a snapshot as the latest of its run."""

    def load_snapshot(self, run_id: str) -> RunSnapshot:
        """Return the latest snapshot of a run.

        Raises:
            KeyError: there is none.
        """

    def append_event(self, run_id: str, event: Event) -> None:
        """Keep an event."""

    def list_metadata(self, workflow_name: str | None = None) -> list[RunMetadata]:
        """Return all runs, or those of a workflow, in a few words each."""


class ClaimingStore(WorkflowStore, Protocol):
    """A store that also remembers, for all processes, from which checkpoints runs went on."""

    def claim(self, run_id: str, checkpoint_id: str) -> bool:
        """Take a checkpoint to go on from; False if somebody has, unless that process died and nothing came of it."""


def checked_run_id(run_id: Any) -> str:
    """Return a run id that can name a folder.

    Raises:
        ValueError: it is not 1 to 64 letters, digits, `.`, `_` or `-` that begin with a letter, digit or `_`.
    """
    if not isinstance(run_id, str) or not _RUN_ID.fullmatch(run_id) or run_id.endswith("."):
        raise ValueError(
            f"the run id {str(run_id)[:80]!r} cannot be used; take 1 to 64 letters, digits, `.`, `_` or `-`, "
            "beginning with a letter, a digit or `_`"
        )
    return run_id


def _missing(run_id: str) -> KeyError:
    return KeyError(f"run '{run_id}' not found")


class InMemoryWorkflowStore:
    """Keeps snapshots in this process; safe for threads."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._snapshots: dict[str, RunSnapshot] = {}
        self._events: dict[str, list[Event]] = {}
        self._claimed: set[tuple[str, str]] = set()

    def save_snapshot(self, snapshot: RunSnapshot) -> None:
        """See WorkflowStore; a snapshot never changes, so it is kept as it is."""
        with self._lock:
            self._snapshots[snapshot.run_id] = snapshot

    def load_snapshot(self, run_id: str) -> RunSnapshot:
        """See WorkflowStore."""
        with self._lock:
            if run_id not in self._snapshots:
                raise _missing(run_id)
            return self._snapshots[run_id]

    def append_event(self, run_id: str, event: Event) -> None:
        """See WorkflowStore."""
        with self._lock:
            self._events.setdefault(run_id, []).append(event)

    def events(self, run_id: str) -> list[Event]:
        """Return the events of a run."""
        with self._lock:
            return [*self._events.get(run_id, ())]

    def list_metadata(self, workflow_name: str | None = None) -> list[RunMetadata]:
        """See WorkflowStore."""
        with self._lock:
            found = [one.metadata() for one in self._snapshots.values()]
        return [one for one in found if workflow_name in (None, one.workflow_name)]

    def claim(self, run_id: str, checkpoint_id: str) -> bool:
        """See ClaimingStore."""
        with self._lock:
            is_new = (run_id, checkpoint_id) not in self._claimed
            self._claimed.add((run_id, checkpoint_id))
        return is_new


class JsonFileWorkflowStore:
    """Keeps each run in a folder of its own below `base_dir`.

    `journal-….jsonl` has an entry on each line and only grows; `snapshot.json` says how many of them count, and is
    replaced as a whole, so that a crash leaves the old snapshot or the new one. `events.jsonl` has the events. Saving
    costs as much as what is new.
    """

    def __init__(self, base_dir: Path | str) -> None:
        self.base_dir = Path(base_dir)
        self.base_dir.mkdir(parents=True, exist_ok=True)
        self._lock = threading.Lock()
        self._written: dict[str, tuple[object, str, int]] = {}

    def save_snapshot(self, snapshot: RunSnapshot) -> None:
        """See WorkflowStore."""
        with self._lock:
            folder = self._folder(snapshot.run_id)
            folder.mkdir(parents=True, exist_ok=True)
            name = self._write_entries(folder, snapshot)
            head = snapshot.head() | {"journal": name}
            _replace(folder / "snapshot.json", json.dumps(head, indent=2, sort_keys=True))
            for old in folder.glob("journal-*.jsonl"):
                if old.name != name:
                    old.unlink(missing_ok=True)

    def load_snapshot(self, run_id: str) -> RunSnapshot:
        """See WorkflowStore.

        Raises:
            KeyError: there is no such run.
            ValueError: its files are damaged.
        """
        with self._lock:
            folder = self._folder(run_id)
            head = _head(folder / "snapshot.json")
            if head is None:
                raise _missing(run_id)
            return RunSnapshot.from_head(head, _entries(folder / str(head["journal"]), int(head["entries"])))

    def append_event(self, run_id: str, event: Event) -> None:
        """See WorkflowStore."""
        with self._lock:
            folder = self._folder(run_id)
            folder.mkdir(parents=True, exist_ok=True)
            with (folder / "events.jsonl").open("a", encoding="utf-8", newline="\n") as file:
                file.write(dump(event.to_dict()) + "\n")

    def list_metadata(self, workflow_name: str | None = None) -> list[RunMetadata]:
        """See WorkflowStore."""
        heads = (_head(folder / "snapshot.json") for folder in sorted(self.base_dir.iterdir()) if folder.is_dir())
        found = [RunSnapshot.from_head(head, ()).metadata() for head in heads if head is not None]
        return [one for one in found if workflow_name in (None, one.workflow_name)]

    def claim(self, run_id: str, checkpoint_id: str) -> bool:
        """See ClaimingStore; of several processes one gets True.

        The claim of a process that died before it saved anything is taken over. See `claimed` for how it is kept.
        """
        from checkpointflow.python.graph_claims import claimed

        folder = self._folder(run_id)

        def is_latest() -> bool:
            head = _head(folder / "snapshot.json")
            return head is None or head.get("checkpoint_id") == checkpoint_id

        return claimed(folder / "claims" / checked_run_id(checkpoint_id), self.base_dir / ".processes", is_latest)

    def _folder(self, run_id: str) -> Path:
        return self.base_dir / checked_run_id(run_id)

    def _write_entries(self, folder: Path, snapshot: RunSnapshot) -> str:
        """Write the entries that are new, or all to a file of another name if they do not follow those written."""
        recorded = snapshot.recorded
        journal, name, count = self._written.get(snapshot.run_id, (None, "", 0))
        if journal is not recorded.journal or count > len(recorded) or not (folder / name).is_file():
            name, count = f"journal-{new_event_id()}.jsonl", 0
        lines = [dump(entry_dict(recorded.journal[index])) + "\n" for index in range(count, len(recorded))]
        with (folder / name).open("a", encoding="utf-8", newline="\n") as file:
            file.write("".join(lines))
            file.flush()
            os.fsync(file.fileno())
        self._written[snapshot.run_id] = (recorded.journal, name, len(recorded))
        return name


def _replace(path: Path, text: str) -> None:
    beside = path.with_name(f"{path.name}.{new_event_id()}.tmp")
    with beside.open("w", encoding="utf-8", newline="\n") as file:
        file.write(text + "\n")
        file.flush()
        os.fsync(file.fileno())
    beside.replace(path)


def _head(path: Path) -> Mapping[str, Any] | None:
    """Return what a snapshot's file says beside the entries; None if there is no such file.

    Raises:
        ValueError: it is damaged.
    """
    try:
        head: JsonValue = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(head, dict) and isinstance(head["journal"], str) and isinstance(head["entries"], int):
            RunSnapshot.from_head(head, ())
            return head
    except FileNotFoundError:
        return None
    except (ValueError, KeyError, TypeError, IndexError) as error:
        raise _damaged(path, error) from None
    raise ValueError(f"`{path}` is no snapshot of a run; {_RESTORE}")


def _entries(path: Path, count: int) -> list[e.Encoded]:
    found: list[e.Encoded] = []
    try:
        with path.open(encoding="utf-8") as file:
            for line, _ in zip(file, range(count), strict=False):
                found.append(entry_of(json.loads(line)))
    except FileNotFoundError:
        raise ValueError(f"`{path}` is missing; {_RESTORE}") from None
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise _damaged(path, error, f" at line {len(found) + 1}") from None
    if len(found) != count:
        raise ValueError(f"`{path}` has {len(found)} of {count} entries; {_RESTORE}")
    return found


_RESTORE = "restore the folder from a copy"


def _damaged(path: Path, error: Exception, where: str = "") -> ValueError:
    why = f"`{error.args[0]}` is missing" if isinstance(error, KeyError) else str(error)
    return ValueError(f"`{path}` is damaged{where}: {why}; {_RESTORE}, or remove it to give the run up")
