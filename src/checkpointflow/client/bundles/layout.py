"""What a run bundle consists of: its files, their texts, and the chain over its journal; nothing is read or written."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from pathlib import Path

from checkpointflow import clock
from checkpointflow.client.bundles.archive import LONGEST_NAME
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.derived import head_of, wait_effects
from checkpointflow.kernel.ids import RunId
from checkpointflow.kernel.store import Message, OpenWait, RunHead
from checkpointflow.records import dataclass
from checkpointflow.steps.base import output_paths
from checkpointflow.values import JsonObject, JsonValue, dump

FORMAT = "checkpointflow-run-bundle"
VERSION = 1
README, MANIFEST, SUMS = "README.txt", "manifest.json", "SHA256SUMS"
JOURNAL, CHAIN, MESSAGES, DEFINITION = "journal.jsonl", "chain.txt", "messages.jsonl", "definition.json"
TEXTS = (README, JOURNAL, CHAIN, MESSAGES, DEFINITION)
BLOB = re.compile(r"blobs/([0-9a-f]{64})")
CAN_GO_ON = frozenset({"open", "waiting", "paused", "failed"})
"""The statuses of runs that somebody may go on with; `failed` ones by `cpf retry`."""

README_TEXT = """\
This is a run bundle of checkpointflow, version 1: one run, to look at or to go on with.

  cpf verify FILE      checks it and says what it is; changes nothing
  cpf import FILE      takes the run over; `cpf resume --run-id RUN` then goes on with it

It is a tar archive, not compressed. Texts are UTF-8, lines end with a line feed.

  manifest.json    what the run is, how it stood, its open waits, the digest and size of every other file,
                   and the last value of the chain
  journal.jsonl    the journal: one JSON object a line, {"position", "entry", "at", "body"}
  chain.txt        for each line of the journal the SHA-256, in hex, of the value before it (nothing, for the first)
                   followed by that line without its line feed
  messages.jsonl   the inbox: one JSON object a line, in the order in which the messages came
  definition.json  the workflow that the run goes on under
  blobs/           values of the journal over 64 KiB, as JSON, each named by its SHA-256
  stdout/ stderr/  what the attempts of steps printed
  SHA256SUMS       the digests of all files but itself

To check it without checkpointflow, in a folder into which it was unpacked:

  sha256sum -c SHA256SUMS
  value=; while IFS= read -r line; do
    value=$(printf '%s%s' "$value" "$line" | sha256sum | cut -d' ' -f1); echo "$value"
  done < journal.jsonl | cmp - chain.txt
  test "$(jq -r .chain manifest.json)" = "$(tail -n 1 chain.txt)"

Digests tell of damage, not of who wrote the bundle. Secrets are placeholders here; their values are not in the bundle.
"""


@dataclass(frozen=True, kw_only=True)
class Run:
    """All that a bundle carries of a run, its captured output left aside.

    `entries` are the journal without a last `run_moved`; `is_moved` tells that there was one, so that the run goes on
    from this bundle alone.
    """

    run_id: RunId
    entries: Sequence[e.AnyEntry]
    messages: Sequence[Message]
    definition: JsonObject
    is_moved: bool

    @cached_property
    def head(self) -> RunHead:
        """The run's summary row, as its entries have it."""
        return head_of(self.run_id, self.entries)

    @property
    def waits(self) -> tuple[OpenWait, ...]:
        """The open waits, as its entries have them."""
        return wait_effects(self.run_id, self.entries).opened

    @property
    def is_only_a_copy(self) -> bool:
        """Tell whether another place may go on with the same run."""
        return not self.is_moved and self.head.status in CAN_GO_ON


@dataclass(frozen=True, slots=True)
class Digested:
    """A file's SHA-256, in hex, and its size in bytes."""

    sha256: str
    size: int


def texts_of(run: Run) -> dict[str, bytes]:
    """Return the files of a bundle that hold texts, by their names, but for those with digests of others."""
    encoded = [e.encode(entry) for entry in run.entries]
    lines = [_journal_line(position, one) for position, one in enumerate(encoded, 1)]
    blobs = {f"blobs/{digest}": _bytes(text) for one in encoded for digest, text in one.blobs.items()}
    return {
        README: _bytes(README_TEXT),
        JOURNAL: b"".join(line + b"\n" for line in lines),
        CHAIN: b"".join(value + b"\n" for value in chain(lines)),
        MESSAGES: b"".join(_bytes(dump(message_json(message))) + b"\n" for message in run.messages),
        DEFINITION: _bytes(dump(run.definition)),
        **dict(sorted(blobs.items())),
    }


def _journal_line(position: int, entry: e.Encoded) -> bytes:
    """Return an entry's line, without its line feed; the body is as a store keeps it, keys in their order."""
    head = dump({"position": position, "entry": entry.name, "at": entry.at})
    return _bytes(f'{head[:-1]},"body":{entry.body}}}')


def chain(lines: Iterable[bytes]) -> Iterator[bytes]:
    """Yield for each line the digest of the value before it and the line."""
    value = b""
    for line in lines:
        value = hashlib.sha256(value + line).hexdigest().encode()
        yield value


def message_json(message: Message) -> JsonObject:
    """Return a message's line as JSON; its run and its number are those of the place that has it."""
    return {
        "event_id": message.event_id,
        "kind": message.kind,
        "name": message.name,
        "wait_id": message.wait_id,
        "payload": message.payload,
        "actor": message.actor,
        "at": clock.to_text(message.at),
        "state": message.state,
    }


def last_value(chained: bytes) -> str:
    """Return the last value of a chain, from its file."""
    return chained.split(b"\n")[-2].decode("ascii")


def manifest(run: Run, chain_value: str, files: Mapping[str, Digested]) -> JsonObject:
    """Return the manifest of a bundle with these files, and with this value at the end of its chain."""
    head = run.head
    listed: JsonObject = {name: {"sha256": one.sha256, "bytes": one.size} for name, one in sorted(files.items())}
    waits: list[JsonValue] = [_wait_json(wait) for wait in run.waits]
    return {
        "format": FORMAT,
        "version": VERSION,
        "run_id": run.run_id,
        "workflow_id": head.workflow_id,
        "workflow_name": head.workflow_name,
        "workflow_version": head.workflow_version,
        "definition": head.definition,
        "status": head.status,
        "moved": run.is_moved,
        "entries": head.length,
        "chain": chain_value,
        "waits": waits,
        "files": listed,
    }


def _wait_json(wait: OpenWait) -> JsonObject:
    due_at = None if wait.due_at is None else clock.to_text(wait.due_at)
    return {
        "key": wait.key,
        "kind": wait.kind,
        "wait_id": wait.wait_id,
        "event_name": wait.event_name,
        "audience": wait.audience,
        "due_at": due_at,
    }


def sums(files: Mapping[str, Digested]) -> bytes:
    """Return the list of digests as `sha256sum -c` takes it."""
    return b"".join(f"{one.sha256}  {name}\n".encode() for name, one in sorted(files.items()))


def digested(data: bytes) -> Digested:
    """Return the digest and size of bytes."""
    return Digested(hashlib.sha256(data).hexdigest(), len(data))


def output_names(run: Run) -> dict[str, tuple[str, str]]:
    """Return the names that captured output may have, by the attempts in the journal: (folder, file) by each name."""
    found: dict[str, tuple[str, str]] = {}
    for entry in run.entries:
        if isinstance(entry, e.StepStarted):
            for path in output_paths(Path(), run.run_id, entry.key, entry.attempt):
                found[f"{path.parent.name}/{_short(path.name)}"] = (path.parent.name, path.name)
    return found


def _short(name: str) -> str:
    """Return a file's name so that it fits into the archive: the end of a long one gives way to a digest of it."""
    if len(name) <= LONGEST_NAME:
        return name
    return f"{name[: LONGEST_NAME - 17]}~{hashlib.sha256(name.encode()).hexdigest()[:16]}"


def _bytes(text: str) -> bytes:
    return text.encode("utf-8", "surrogatepass")
