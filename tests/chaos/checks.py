"""What has to hold once the storm is over: each check yields a sentence for everything that does not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from chaos.answering import Told, payload_of
from checkpointflow.values import JsonObject, JsonValue

CHECKING = {f'checks["{name}"]/{name}' for name in ("words", "width", "blanks")}
PUBLISHING = {"publish", "sign"}
Attempt = tuple[str, int]


@dataclass(frozen=True)
class Seen:
    """A run as it stands at the end, what its journal has, and what was seen of its steps outside."""

    run_id: str
    number: int
    status: str
    value: JsonValue
    entries: list[JsonObject]
    effects: Mapping[str, list[Attempt]]
    """The attempts that were seen to `begin` and to `end`, in their order."""
    told: list[Told]
    board: Path


def effects_of(log: str) -> dict[str, dict[str, list[Attempt]]]:
    """Return what began and ended of each run, as the workers' shell has noted it."""
    found: dict[str, dict[str, list[Attempt]]] = {}
    for line in log.splitlines():
        run_id, key, attempt, what = line.split("\t")
        found.setdefault(run_id, {"begin": [], "end": []})[what].append((key, int(attempt)))
    return found


def violations(run: Seen) -> list[str]:
    """Return everything that is wrong with a run."""
    found = [*_outcome(run), *_answers(run), *_steps(run), *_attempts(run), *_board(run)]
    return [f"{run.run_id}: {sentence}" for sentence in found]


def repeated(run: Seen) -> int:
    """Return how many attempts were begun after the first of their step."""
    return sum(attempt > 1 for _, attempt in set(run.effects["begin"]))


def received(run: Seen) -> list[JsonObject]:
    """Return the answers that the journal has."""
    return [entry for entry in run.entries if entry["entry"] == "event_received"]


def _is_approved(run: Seen) -> bool:
    return payload_of(run.number, "ann")["decision"] == "approve"


def _outcome(run: Seen) -> Iterator[str]:
    """The run has ended with the words of its text, and whoever's answer its journal has."""
    by = [payload["by"] for entry in received(run) if isinstance(payload := entry["payload"], dict)]
    right: JsonObject = {"status": "held_back"}
    if _is_approved(run):
        right = {"status": "published", "words": 2}
    if run.status != "completed" or by == [] or run.value != {"result": right | {"by": by[0]}}:
        yield f"it is {run.status} with {run.value}, and {by} answered"


def _answers(run: Seen) -> Iterator[str]:
    """One answer is in the journal, as it was given, and it is the one whose giver was told so.

    One that was `kept`, because nothing asked for it any more, waits for the next question, which never comes.
    """
    journal = [(str(entry["event_id"]), entry["payload"]) for entry in received(run)]
    if len(journal) != 1:
        yield f"its journal has {len(journal)} answers"
    given = [(told.event_id, told.payload) for told in run.told]
    yield from (f"answer {one} was not given so" for one in journal if one not in given)
    taken = {event_id for event_id, _ in journal}
    for told in run.told:
        if told.outcome == "accepted" and told.event_id not in taken:
            yield f"answer {told.event_id} was accepted, and is not in the journal"
        if told.outcome == "refused" and told.event_id in taken:
            yield f"answer {told.event_id} was refused, and is in the journal"


def _steps(run: Seen) -> Iterator[str]:
    """Each step that had to be performed has completed once, and what it did was seen to its end."""
    completed = Counter(str(entry["key"]) for entry in run.entries if entry["entry"] == "step_completed")
    expected = CHECKING | PUBLISHING if _is_approved(run) else CHECKING
    ended = {key for key, _ in run.effects["end"]}
    yield from (f"`{key}` completed {completed[key]} times" for key in expected if completed[key] != 1)
    yield from (f"`{key}` was not seen to end" for key in expected - ended)
    yield from (f"`{key}` was performed" for key in ended - expected)


def _attempts(run: Seen) -> Iterator[str]:
    """An attempt begins once, with its start on record; the next one only after it was interrupted."""
    began = Counter(run.effects["begin"])
    intended, interrupted, completed = (set(_named(run.entries, f"step_{what}")) for what in _ENTRIES)
    yield from (f"attempt {one} was begun {count} times" for one, count in began.items() if count > 1)
    yield from (f"attempt {one} was begun, and its start is not on record" for one in began if one not in intended)
    for key, attempt in intended:
        if attempt > 1 and (key, attempt - 1) not in interrupted:
            yield f"attempt {attempt} of `{key}` followed one that was not interrupted"
    done = dict(completed)
    yield from (f"`{key}` was begun again after it had completed" for key, at in began if at > done.get(key, at))


_ENTRIES = ("started", "interrupted", "completed")


def _named(entries: Iterable[JsonObject], name: str) -> Iterator[Attempt]:
    for entry in entries:
        if entry["entry"] == name:
            yield str(entry["key"]), int(str(entry["attempt"]))


def _board(run: Seen) -> Iterator[str]:
    """The board has the notice, signed by whoever approved it; or nothing of it."""
    text, sign = (run.board / f"{run.run_id}{suffix}" for suffix in (".txt", ".by"))
    if not _is_approved(run):
        yield from (f"{path.name} is on the board" for path in (text, sign) if path.exists())
    elif not (text.exists() and sign.exists()):
        yield "it is not on the board"
    else:
        by = [payload["by"] for entry in received(run) if isinstance(payload := entry["payload"], dict)]
        if (text.read_text(), [sign.read_text()]) != (f"Notice {run.number}", by):
            yield f"the board has {text.read_text()!r}, signed {sign.read_text()!r}"
