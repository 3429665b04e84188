"""Reading a run bundle that anybody may have written: all of it is checked before any of it is given out."""

from __future__ import annotations

import contextlib
import hashlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from types import TracebackType
from typing import IO, Any, cast

from checkpointflow import clock
from checkpointflow.client.bundles import layout
from checkpointflow.client.bundles.archive import Archive, OddArchiveError
from checkpointflow.client.bundles.layout import Digested
from checkpointflow.client.bundles.soundness import is_entry, is_message
from checkpointflow.errors import BundleError, CheckpointflowError, FileMissingError, StoreVersion, said
from checkpointflow.kernel import entries as e
from checkpointflow.kernel.ids import run_id as checked_run_id
from checkpointflow.kernel.state import fold
from checkpointflow.kernel.store import Message
from checkpointflow.records import dataclass
from checkpointflow.values import JsonObject, JsonValue, dump, load

_BROKEN = (
    RecursionError, ValueError, TypeError, KeyError, AttributeError, IndexError, OverflowError, MemoryError,
)  # fmt: skip
"""What the standard library, or our own reading, stumbles over in a file that is no bundle."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Contents:
    """What a bundle holds: the run, and its files by their names."""

    run: layout.Run
    files: Mapping[str, Digested]
    chain: str
    size: int


class Bundle:
    """A bundle that was checked as a whole; a context manager, which keeps the file open.

    Raises:
        FileMissingError: there is no such file.
        BundleError: it is no bundle, was changed, or is of a newer version.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        try:
            self._file: IO[bytes] = path.open("rb")
        except OSError as error:
            raise FileMissingError(f"the bundle `{path}` cannot be read: {error.strerror or error}") from None
        try:
            with _refusing(path):
                self._archive = Archive(self._file)
                self.contents = _checked(self._archive)
        except BaseException:
            self._file.close()
            raise

    def __enter__(self) -> Bundle:
        """Return the bundle itself."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close it."""
        self._file.close()

    def outputs(self) -> dict[str, Path]:
        """Return the files with captured output by their names, each as a path in the run's folder."""
        known = layout.output_names(self.contents.run)
        return {name: Path(*known[name]) for name in self.contents.files if name in known}

    def pieces(self, name: str) -> Iterator[bytes]:
        """Yield a file piece by piece, and refuse at its end if it is not what was checked.

        Raises:
            BundleError: the bundle was changed meanwhile.
        """
        with _refusing(self._path):
            yield from _pieces(self._archive, name, self.contents.files[name])


@contextlib.contextmanager
def _refusing(path: Path) -> Iterator[None]:
    """Say of whatever goes wrong that the file is no sound bundle."""
    try:
        yield
    except OddArchiveError as error:
        raise BundleError(f"the bundle `{path}` {error}") from None
    except StoreVersion:
        raise BundleError(
            f"the bundle `{path}` was written by a newer version, which has entries that this one does not know; "
            "upgrade checkpointflow"
        ) from None
    except CheckpointflowError as error:
        raise BundleError(f"the bundle `{path}` cannot be taken: {error.message}") from None
    except _BROKEN as error:
        cause = said(error)[:200]
        raise BundleError(
            f"the file `{path}` is no bundle, or it was cut or changed; get it again from where it was written",
            details={"cause": cause},
        ) from None
    except OSError as error:
        raise FileMissingError(f"the bundle `{path}` cannot be read: {error.strerror or error}") from None


class _Unsound(OddArchiveError):  # noqa: N818
    """The bundle cannot be taken; the text goes on from its name."""


def _changed(what: str) -> _Unsound:
    return _Unsound(f"was changed or damaged ({what}); get it again from where it was written")


def _checked(archive: Archive) -> Contents:
    """Return what an archive holds, once everything about it is as it has to be."""
    found = _members(archive)
    told = _manifest(archive, found)
    for name in layout.TEXTS:
        if name not in found:
            raise _changed(f"it has no `{name}`")
    run, blobs = _run(archive, told)
    files = {name: _digest(archive, name) for name in found if name not in (layout.MANIFEST, layout.SUMS)}
    _refuse_others(files, {*layout.TEXTS, *layout.output_names(run), *(f"blobs/{digest}" for digest in blobs)})
    last = layout.last_value(archive.read(layout.CHAIN))
    if any(told.get(name) != value for name, value in layout.manifest(run, last, files).items()):
        raise _changed(f"`{layout.MANIFEST}` does not fit the other files")
    files[layout.MANIFEST] = _digest(archive, layout.MANIFEST)
    if archive.read(layout.SUMS) != layout.sums(files):
        raise _changed(f"`{layout.SUMS}` does not fit the other files")
    return Contents(run=run, files=files, chain=last, size=archive.size)


def _members(archive: Archive) -> frozenset[str]:
    """Return the names of the files, each of which a bundle may have."""
    for name in archive.members:
        if not _is_name(name):
            raise _Unsound(f"holds a file with the name {name[:80]!r}, which no bundle has; it is none of ours")
    return frozenset(archive.members)


def _is_name(name: str) -> bool:
    """Tell whether a bundle may hold such a name; which output it may hold, its journal tells later."""
    if name in (*layout.TEXTS, layout.MANIFEST, layout.SUMS) or layout.BLOB.fullmatch(name):
        return True
    folder, _, file = name.partition("/")
    return folder in ("stdout", "stderr") and bool(file) and file[0] != "." and not set(file) & set("/\\:")


def _manifest(archive: Archive, found: frozenset[str]) -> JsonObject:
    """Return the manifest, whose format and version are known here."""
    if layout.MANIFEST not in found or layout.SUMS not in found:
        raise _Unsound(f"has no `{layout.MANIFEST}`; it is none of ours, or it was cut")
    told = load(archive.read(layout.MANIFEST))
    if not isinstance(told, dict) or told.get("format") != layout.FORMAT:
        raise _Unsound("says that it is something else; it is none of ours")
    version = told.get("version")
    if isinstance(version, int) and version > layout.VERSION:
        raise _Unsound(f"has version {version} and this checkpointflow knows {layout.VERSION}; upgrade checkpointflow")
    if version != layout.VERSION:
        raise _changed("it has no version")
    return told


def _run(archive: Archive, told: JsonObject) -> tuple[layout.Run, set[str]]:
    """Return the run, whose journal is whole and adds up to something, and the digests of its large values."""
    from checkpointflow.frontends.opening import open_stored

    definition = load(archive.read(layout.DEFINITION))
    if not isinstance(definition, dict) or not isinstance(told.get("moved"), bool):
        raise _changed("it has no definition")
    entries, blobs = _entries(archive)
    run = layout.Run(
        run_id=checked_run_id(str(told.get("run_id"))),
        entries=entries,
        messages=[_message(line, str(told.get("run_id"))) for line in _lines(archive, layout.MESSAGES)],
        definition=definition,
        is_moved=told["moved"] is True,
    )
    fold(run.entries)
    opened = open_stored(definition, path=run.head.source_path)
    if run.head.status == "moved" or opened.digest != run.head.definition:
        raise _changed(f"`{layout.DEFINITION}` is not the definition of its journal")
    _refuse_doubles(run)
    return run, blobs


def _entries(archive: Archive) -> tuple[list[e.AnyEntry], set[str]]:
    lines = _lines(archive, layout.JOURNAL)
    if not lines or [*layout.chain(lines)] != _lines(archive, layout.CHAIN):
        raise _changed(f"the chain over `{layout.JOURNAL}` does not hold")
    blobs = set[str]()
    return [_entry(archive, position, line, blobs) for position, line in enumerate(lines, 1)], blobs


def _entry(archive: Archive, position: int, line: bytes, blobs: set[str]) -> e.AnyEntry:
    """Return the entry of a line, and add the digests of its large values to `blobs`."""
    told = cast("dict[str, Any]", load(line))
    body = dump(told["body"])
    blobs.update(e.blobs_of(body))
    entry = e.decode(told["entry"], told["at"], body, lambda digest: _blob(archive, digest))
    if told["position"] != position or not is_entry(entry):
        raise _changed(f"line {position} of `{layout.JOURNAL}` is no entry")
    return entry


def _blob(archive: Archive, digest: str) -> str:
    data = archive.read(f"blobs/{digest}")
    if layout.digested(data).sha256 != digest:
        raise _changed(f"`blobs/{digest}` holds something else")
    return data.decode("utf-8", "surrogatepass")


def _lines(archive: Archive, name: str) -> list[bytes]:
    data = archive.read(name)
    if data and not data.endswith(b"\n"):
        raise _changed(f"`{name}` was cut")
    return data.split(b"\n")[:-1]


def _message(line: bytes, run_id: str) -> Message:
    told = cast("dict[str, Any]", load(line))
    if not is_message(told):
        raise _changed(f"a line of `{layout.MESSAGES}` is no message")
    values = {**told, "at": clock.from_text(told["at"]), "run_id": run_id}
    return Message(**values)


def _refuse_doubles(run: layout.Run) -> None:
    events = [message.event_id for message in run.messages]
    waits = [message.wait_id for message in run.messages if message.wait_id is not None]
    if len(events) != len(set(events)) or len(waits) != len(set(waits)):
        raise _changed(f"`{layout.MESSAGES}` holds a message twice")


def _refuse_others(files: Mapping[str, Digested], known: set[str]) -> None:
    """Refuse files that the journal does not lead to: only output of its attempts, only its own large values."""
    for name in files:
        if name not in known:
            raise _changed(f"nothing in its journal leads to `{name[:80]}`")


def _digest(archive: Archive, name: str) -> Digested:
    digest = hashlib.sha256()
    for piece in archive.pieces(name):
        digest.update(piece)
    return Digested(digest.hexdigest(), archive.members[name].size)


def _pieces(archive: Archive, name: str, expected: Digested) -> Iterator[bytes]:
    digest = hashlib.sha256()
    for piece in archive.pieces(name):
        digest.update(piece)
        yield piece
    if digest.hexdigest() != expected.sha256:
        raise _changed(f"`{name}`")


def shown(contents: Contents) -> JsonObject:
    """Return what a bundle is, in figures."""
    run = contents.run
    listed: list[JsonValue] = [wait.key for wait in run.waits]
    return {
        "run_id": run.run_id,
        "workflow_id": run.head.workflow_id,
        "status": "interrupted" if run.head.status == "open" else run.head.status,
        "moved": run.is_moved,
        "copy": run.is_only_a_copy,
        "entries": run.head.length,
        "messages": len(run.messages),
        "waits": listed,
        "files": len(contents.files) + 1,
        "bytes": contents.size,
        "definition": run.head.definition,
        "chain": contents.chain,
    }
